'use strict';

/* Which items of a benchmark are listed, in which order. Options: a, b (names of two policies), only, sort, dir. */
{
  const {links, solved} = prefdelta;

  const ONLY = {
    '': 'all items',
    differ: 'where the two differ',
    a: 'only the first solves',
    b: 'only the second solves',
    none: 'that no arm solves',
    all: 'that all arms solve',
  };

  /* The places in items.policies of the two policies that are compared; the first and last ones if none is named. */
  const compared = (study, items, {a, b}) => {
    const names = items.policies.map(policy => study.policies[policy]);
    const at = (name, otherwise) => {
      const found = links.numberOf(names, name);
      return found < 0 ? otherwise : found;
    };
    return [at(a, 0), at(b, names.length - 1)];
  };

  /* What the two solve of the items that count for both: {of, solved: [first, second], only: [first, second]}. */
  const totals = (shares, apart) => {
    const both = apart.map((_, row) => row).filter(row => apart[row] !== null);
    const sum = values => values.reduce((total, value) => total + value, 0);
    return {
      of: both.length,
      solved: shares.map(of => sum(both.map(row => of[row]))),
      only: [both.filter(row => apart[row] > 0).length, both.filter(row => apart[row] < 0).length],
    };
  };

  let last = {key: null};

  /* {rows, places, solvers: arms that solve each item, apart: first minus second, compared, totals}. */
  prefdelta.itemListing = (study, benchmark, items, options) => {
    const {only = '', sort = 'order', dir} = options;
    const key = JSON.stringify([benchmark, options.a, options.b, only, sort, dir]);
    if (last.key === key && last.items === items) return last;
    const two = compared(study, items, options);
    const solvers = solved.solvers(items);
    const shares = two.map(at => items.prompt_ids.map((_, row) => solved.share(items, at, row)));
    const apart = items.prompt_ids.map((_, row) =>
      shares[0][row] === null || shares[1][row] === null ? null : shares[0][row] - shares[1][row],
    );
    const holds =
      {
        '': () => true,
        differ: row => apart[row] !== null && apart[row] !== 0,
        a: row => apart[row] > 0,
        b: row => apart[row] < 0,
        none: row => solvers[row] === 0,
        all: row => solvers[row] === items.policies.length,
      }[only] ?? (() => true);
    const value = {solved: row => solvers[row], apart: row => Math.abs(apart[row] ?? -1)}[sort] ?? (row => row);
    const rows = items.prompt_ids.map((_, row) => row).filter(holds);
    rows.sort((one, other) => (dir === 'desc' ? value(other) - value(one) : value(one) - value(other)) || one - other);
    const places = new Int32Array(items.prompt_ids.length).fill(-1);
    rows.forEach((row, place) => {
      places[row] = place;
    });
    last = {key, items, rows, places, solvers, apart, compared: two, totals: totals(shares, apart)};
    return last;
  };

  prefdelta.itemListing.ONLY = ONLY;
}
