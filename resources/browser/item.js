'use strict';

/* One item of a benchmark: every arm's answer beside the others, or two arms alone. */
{
  const {element, formats, links, solved} = prefdelta;

  let here = null; // {benchmark, items, row, listing, options}

  const step = by => {
    const {listing, row, benchmark, items, options} = here;
    const next = prefdelta.further(listing, row, by);
    if (next !== undefined) links.go(prefdelta.itemLinks.item(benchmark, items, next, options), {step: true});
  };

  const walk = () => {
    const {listing, row, benchmark, options} = here;
    const list = prefdelta.itemLinks.list(benchmark, {...options, two: null});
    const click = () => change({two: options.two ? null : 1});
    return prefdelta.walk(
      {listing, row, list, step, what: 'items'},
      element(
        'button',
        {type: 'button', 'aria-pressed': String(Boolean(options.two)), click},
        options.two ? 'show all arms' : 'show two arms',
      ),
      options.two ? twoArms() : null,
    );
  };

  const change = options =>
    links.go(prefdelta.itemLinks.item(here.benchmark, here.items, here.row, {...here.options, ...options}), {
      step: true,
    });

  const twoArms = () => {
    const names = here.items.policies.map(policy => prefdelta.study.policies[policy]);
    return ['a', 'b'].map((key, n) =>
      prefdelta.choice(
        ['first', 'second'][n],
        names.map(name => [name, name]),
        names[here.listing.compared[n]],
        value => change({[key]: value}),
      ),
    );
  };

  const answer = (draw, raw) => [
    prefdelta.traceFacts(draw),
    draw.text === null
      ? prefdelta.notice('The text of this answer was not written.')
      : prefdelta.text(draw.text, {raw}),
  ];

  const arm = (at, draws) => {
    const {items, row} = here;
    const policy = items.policies[at];
    return element(
      'section',
      {class: 'trace'},
      element('h2', {}, prefdelta.study.policies[policy]),
      draws?.length && items.samples === 1 ? '' : element('p', {class: 'muted'}, solved.words(items, at, row)),
      ...(draws ?? []).flatMap(draw => answer(draw, prefdelta.raw.now())),
    );
  };

  const why =
    'The texts of answers to this item were not written: the setting browse.items bounds how many items of a ' +
    'benchmark have them, those first on which the arms differ most. What is known of each answer stands here; `prefdelta show item` with ' +
    '--arm has the text, if the record has it.';

  prefdelta.views.item = {
    title: () => `Item ${here.items.prompt_ids[here.row]}`,
    show: async ({parts, options}, current) => {
      const {study} = prefdelta;
      const benchmark = prefdelta.benchmarkOf(parts[0]);
      const items = await prefdelta.shard(`items/${benchmark}`);
      const row = items.prompt_ids.indexOf(parts[1]);
      if (row < 0) throw new Error(`${study.benchmarks[benchmark].name} has no item ${parts[1]}.`);
      const page = Math.floor(row / study.page);
      const written = (
        await prefdelta.shard(`answers/${benchmark}/${page}`).catch(error => {
          if (items.has_text[row]) throw error;
          return [];
        })
      )[row - page * study.page] ?? {id: parts[1], text: null, answers: [], by_policy: {}};
      if (!current()) return;
      here = {benchmark, items, row, options, listing: prefdelta.itemListing(study, benchmark, items, options)};
      const shown = options.two ? here.listing.compared : items.policies.map((_, at) => at);
      document.getElementById('item').replaceChildren(
        walk(),
        element(
          'h1',
          {},
          `${study.benchmarks[benchmark].title ?? study.benchmarks[benchmark].name} `,
          element('span', {class: 'name'}, items.prompt_ids[row]),
        ),
        prefdelta.problem(written, prefdelta.raw.now()),
        prefdelta.facts([
          ['arms that solve it', `${formats.number(here.listing.solvers[row])} of ${items.policies.length}`],
        ]),
        items.has_text[row] ? '' : prefdelta.notice(why),
        element(
          'div',
          {class: options.two ? 'sides' : 'sides many'},
          shown.map(at => arm(at, written.by_policy?.[items.policies[at]])),
        ),
      );
      prefdelta.views.items.looked(benchmark, row);
    },
    keys: {
      next: () => step(1),
      previous: () => step(-1),
      raw: () => prefdelta.raw.change(),
      back: () => links.go(prefdelta.itemLinks.list(here.benchmark, {...here.options, two: null})),
    },
  };
}
