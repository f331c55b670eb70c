'use strict';

/* A benchmark's items, one per row, and the arms, one per column: who got what right. */
{
  const {element, formats, links, solved} = prefdelta;

  let shown = {}; // {benchmark, items, options, listing, grid: a promise, current: the row to be marked}

  const list = (benchmark, options) => links.make('items', [prefdelta.study.benchmarks[benchmark].name], options);
  const item = (benchmark, items, row, options) =>
    links.make('item', [prefdelta.study.benchmarks[benchmark].name, items.prompt_ids[row]], options);
  prefdelta.itemLinks = {list, item};

  const change = options => links.go(list(shown.benchmark, {...shown.options, ...options}), {step: true});
  const open = row => links.go(item(shown.benchmark, shown.items, row, shown.options));
  const sorted = key => change(prefdelta.nextOrder(key, shown.options, key === 'order' ? 'asc' : 'desc'));

  const makeGrid = async before => {
    (await before)?.destroy();
    const {items, benchmark} = shown;
    const text = words => document.createTextNode(words);
    const sign = at => row => {
      const {text: shownSign, kind} = solved.sign(items, at, row);
      const words = solved.words(items, at, row);
      return element('span', {class: `sign ${kind}`, role: 'img', title: words, 'aria-label': words}, shownSign);
    };
    const columns = [
      {
        key: 'order',
        title: 'item',
        width: 156,
        cell: row => element('a', {href: item(benchmark, items, row, shown.options)}, items.prompt_ids[row]),
      },
      {
        key: 'solved',
        title: 'arms that solve it',
        width: 88,
        number: true,
        cell: row => text(formats.number(shown.listing.solvers[row])),
      },
      {
        key: 'apart',
        title: 'first − second',
        width: 88,
        number: true,
        cell: row => text(formats.signed(shown.listing.apart[row])),
      },
      ...items.policies.map((policy, at) => ({
        key: `arm.${policy}`,
        title: prefdelta.study.policies[policy],
        width: 26,
        sortable: false,
        headingClass: 'upright',
        cssClass: 'sign-cell',
        cell: sign(at),
      })),
    ];
    return prefdelta.grid(document.getElementById('items-table'), items.prompt_ids.length, columns, {
      opened: open,
      sorted,
      placeholder: 'No item is listed by these choices.',
    });
  };

  const makeBar = () => {
    const {study} = prefdelta;
    const {items, options, listing} = shown;
    const arms = items.policies.map(policy => [study.policies[policy], study.policies[policy]]);
    const benchmarks = study.benchmarks.map((one, n) => [n, `${one.title ?? one.name} (${formats.count(one.items)})`]);
    document.getElementById('items-bar').replaceChildren(
      prefdelta.choice('benchmark', benchmarks, shown.benchmark, n =>
        links.go(list(Number(n), {a: options.a, b: options.b})),
      ),
      prefdelta.choice('first', arms, arms[listing.compared[0]]?.[0], a => change({a})),
      prefdelta.choice('second', arms, arms[listing.compared[1]]?.[0], b => change({b})),
      prefdelta.choice('list', Object.entries(prefdelta.itemListing.ONLY), options.only ?? '', only => change({only})),
    );
  };

  const compared = ({of, solved: both, only}) =>
    `of ${formats.count(of)} items the first solves ${formats.number(both[0])}, the second ${formats.number(both[1])}; ` +
    `the first does better on ${formats.count(only[0])}, the second on ${formats.count(only[1])}`;

  const legend = items =>
    items.samples > 1
      ? `each number: how many of ${items.samples} draws are right · ? not counted`
      : '● right · ○ wrong · – no answer (counts as not solved) · ? not counted';

  /* The number of a benchmark that a link names. */
  prefdelta.benchmarkOf = part => {
    const names = prefdelta.study.benchmarks.map(one => one.name);
    if (names.length === 0) throw new Error('No benchmark of this study was evaluated yet.');
    const benchmark = links.numberOf(names, part);
    if (benchmark < 0) throw new Error(`There is no benchmark ${part}. There are ${names.join(', ')}.`);
    return benchmark;
  };

  prefdelta.views.items = {
    title: () => `Items · ${prefdelta.study.benchmarks[shown.benchmark].name}`,
    show: async ({parts, options}, current) => {
      const benchmark = prefdelta.benchmarkOf(parts[0] || '0');
      const items = await prefdelta.shard(`items/${benchmark}`);
      if (!current()) return;
      const other = shown.items !== items;
      if (other) shown = {benchmark, items, current: null, grid: shown.grid};
      shown.options = options;
      shown.listing = prefdelta.itemListing(prefdelta.study, benchmark, items, options);
      if (other) shown.grid = makeGrid(shown.grid);
      const grid = await shown.grid;
      grid.show(shown.listing, options);
      makeBar();
      document
        .getElementById('items-count')
        .replaceChildren(
          `${formats.count(shown.listing.rows.length)} of ${formats.plural(items.prompt_ids.length, 'item')}, ` +
            `${formats.plural(items.policies.length, 'arm')} · ${legend(items)}`,
          element('br'),
          compared(shown.listing.totals),
        );
      if (shown.current !== null) grid.mark(shown.current);
      shown.current = null;
    },
    keys: {
      next: async () => (await shown.grid).move(1),
      previous: async () => (await shown.grid).move(-1),
      open: async () => (await shown.grid).open(),
    },
    looked: (benchmark, row) => {
      if (shown.benchmark === benchmark) shown.current = row;
    },
  };
}
