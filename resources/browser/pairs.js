'use strict';

/* The list of a pairing's pairs: filtered, ordered, and opened from. */
{
  const {element, formats, links} = prefdelta;

  let shown = {}; // {pairing, pairs, options, listing, grid: a promise, keys: of its columns, told: the filter that the bar holds,
  // current: the row to be marked}
  const extra = new Set(); // keys of columns shown beside the usual ones
  const hidden = new Set(); // keys of usual columns that are not shown

  const visible = column =>
    column.key === 'rank' ||
    (column.kind !== 'selection' && !hidden.has(column.key) && (column.usual || extra.has(column.key)));
  const name = pairing => prefdelta.study.pairings[pairing].name;
  const list = (pairing, options) => links.make('pairs', [name(pairing)], options);
  const pair = (pairing, pairs, row, options) => links.make('pair', [name(pairing), pairs.pair_id[row]], options);
  prefdelta.pairLinks = {list, pair};

  const change = options => links.go(list(shown.pairing, {...shown.options, ...options}), {step: true});
  const open = row => links.go(pair(shown.pairing, shown.pairs, row, shown.options));
  const sorted = key =>
    change(prefdelta.nextOrder(key, shown.options, ['pair', 'rank'].includes(key) ? 'asc' : 'desc'));

  const cellOf = column => row =>
    column.key !== 'pair'
      ? document.createTextNode(column.shown(row))
      : element('a', {href: pair(shown.pairing, shown.pairs, row, shown.options)}, column.shown(row));

  /* Pixels: the longest word of the title fits. */
  const widthOf = ({key, kind, title}) =>
    key === 'pair'
      ? 156
      : Math.max(kind === 'number' ? 84 : 116, 16 + 8.2 * Math.max(...title.split(' ').map(word => word.length)));

  /* A promise of the grid of some columns. The grid before it goes first: both stand in one place. */
  const makeGrid = async (columns, before) => {
    (await before)?.destroy();
    return prefdelta.grid(
      document.getElementById('pairs-table'),
      shown.pairs.pair_id.length,
      columns.map(column => ({
        ...column,
        cell: cellOf(column),
        number: column.kind === 'number',
        width: widthOf(column),
      })),
      {opened: open, sorted, placeholder: 'No pair fulfils these conditions.'},
    );
  };

  const columnChoice = columns =>
    prefdelta.fold('columns', () =>
      element(
        'div',
        {class: 'checks'},
        columns
          .filter(column => !['pair', 'rank', 'in'].includes(column.key))
          .map(column =>
            element(
              'label',
              {},
              element('input', {
                type: 'checkbox',
                checked: visible(column),
                change: event => {
                  const set = column.usual ? hidden : extra;
                  if (event.target.checked === column.usual) set.delete(column.key);
                  else set.add(column.key);
                  refresh();
                },
              }),
              ` ${column.title}`,
            ),
          ),
      ),
    );

  const makeBar = () => {
    const options = prefdelta.study.pairings.map(({name: title, pairs}, n) => [
      n,
      `${title} (${formats.count(pairs)})`,
    ]);
    const columns = shown.listing.columns;
    document.getElementById('pairs-bar').replaceChildren(
      prefdelta.choice('pairing', options, shown.pairing, n =>
        links.go(list(Number(n), {sort: shown.options.sort, dir: shown.options.dir})),
      ),
      columnChoice(columns),
      prefdelta.filterBar(columns, shown.pairs.pair_id.length, shown.listing.conditions, conditions => {
        shown.told = prefdelta.conditions.write(conditions);
        change({filter: shown.told});
      }),
    );
  };

  const refresh = async () => {
    shown.listing = prefdelta.listing(prefdelta.study, shown.pairing, shown.pairs, shown.options);
    const columns = shown.listing.columns.filter(visible);
    const keys = columns.map(column => column.key).join();
    if (shown.keys !== keys) {
      shown.keys = keys;
      shown.grid = makeGrid(columns, shown.grid);
    }
    const grid = await shown.grid;
    grid.show(shown.listing, shown.options, shown.listing.selection ? [] : ['rank']);
    if (shown.current !== null) grid.mark(shown.current);
    shown.current = null;
    document.getElementById('pairs-count').textContent =
      `${formats.count(shown.listing.rows.length)} of ${formats.plural(shown.pairs.pair_id.length, 'pair')}`;
  };

  prefdelta.views = {
    pairs: {
      title: () => `Pairs · ${name(shown.pairing)}`,
      show: async ({parts, options}, current) => {
        const pairing = prefdelta.pairingOf(parts[0] || '0');
        const pairs = await prefdelta.shard(`pairs/${pairing}`);
        if (!current()) return;
        if (shown.pairs !== pairs) shown = {pairing, pairs, current: null, grid: shown.grid};
        shown.options = options;
        await refresh();
        if (shown.told !== (options.filter ?? '')) {
          // else the bar itself told it, and somebody may be typing there
          shown.told = options.filter ?? '';
          makeBar();
        }
      },
      keys: {
        next: async () => (await shown.grid).move(1),
        previous: async () => (await shown.grid).move(-1),
        open: async () => (await shown.grid).open(),
      },
      /* The pair that was looked at last is marked in the list. */
      looked: (pairing, row) => {
        if (shown.pairing === pairing) shown.current = row;
      },
    },
  };

  /* The number of a pairing that a link names. */
  prefdelta.pairingOf = part => {
    const names = prefdelta.study.pairings.map(one => one.name);
    if (names.length === 0) throw new Error('This study has no pairs yet.');
    const pairing = links.numberOf(names, part);
    if (pairing < 0) throw new Error(`There is no pairing ${part}. There are ${names.join(', ')}.`);
    return pairing;
  };
}
