'use strict';

/* Which pairs of a pairing are listed, in which order: the conditions and the order that stand in a link. */
{
  const OPERATORS = {
    number: {'>=': 'at least', '<=': 'at most', '=': 'is', '!=': 'is not'},
    choice: {'=': 'is', '!=': 'is not'},
    selection: {'=': 'in', '!=': 'not in'},
    text: {'~': 'contains'},
  };
  const CONDITION = /^([\w.]+)(>=|<=|!=|=|~)(.*)$/s;

  /* "delta.mean>=1;cell=right-wrong" as [{key, operator, value}, ...]; parts of another form are left out. */
  const parse = filter =>
    (filter ?? '')
      .split(';')
      .map(part => CONDITION.exec(part))
      .filter(Boolean)
      .map(([, key, operator, value]) => ({key, operator, value: value.replaceAll('%3b', ';').replaceAll('%25', '%')}));

  const write = conditions =>
    conditions
      .map(({key, operator, value}) => key + operator + value.replaceAll('%', '%25').replaceAll(';', '%3b'))
      .join(';');

  /* Tells of a row whether it fulfils a condition. One that is not filled in holds for all. */
  const test = ({key, operator, value}, columns, pairs) => {
    const column = columns.find(other => other.key === key);
    if (column === undefined || value === '') return () => true;
    if (column.kind === 'selection') {
      const ranks = prefdelta.ranksOf(pairs, column.selections.indexOf(value));
      return row => ranks.has(row) === (operator === '=');
    }
    if (column.kind === 'number') {
      const bound = Number(value);
      if (Number.isNaN(bound)) return () => true;
      const is = {'>=': x => x >= bound, '<=': x => x <= bound, '=': x => x === bound, '!=': x => x !== bound}[
        operator
      ];
      return row => column.value(row) !== null && column.value(row) !== undefined && is(column.value(row));
    }
    if (operator === '~') return row => column.value(row).includes(value);
    return row => (column.value(row) === value) === (operator === '=');
  };

  /* Rows in the order of a column. What has no value comes last in both directions; equal ones keep the order of ids. */
  const ordered = (rows, column, descending) => {
    if (column === undefined || column.kind === 'selection') return rows;
    const values = rows.map(column.value);
    const missing = value => value === null || value === undefined;
    const compare = (a, b) => (values[a] < values[b] ? -1 : values[a] > values[b] ? 1 : 0);
    const known = rows.map((_, at) => at).filter(at => !missing(values[at]));
    known.sort(descending ? (a, b) => compare(b, a) || a - b : (a, b) => compare(a, b) || a - b);
    return [...known.map(at => rows[at]), ...rows.filter((_, at) => missing(values[at]))];
  };

  /* The selection that the conditions hold to, or undefined. */
  const selectionOf = (study, pairing, conditions) =>
    conditions.find(
      ({key, operator, value}) =>
        key === 'in' && operator === '=' && study.pairings[pairing].selections.includes(value),
    )?.value;

  /* Fills the column of ranks: those in a selection, or none. */
  const fillRanks = (pairs, number) => {
    pairs.rank.fill(null);
    if (number >= 0) for (const [row, [rank]] of prefdelta.ranksOf(pairs, number)) pairs.rank[row] = rank;
  };

  let last = {key: null};

  /* {rows: numbers of pairs in their order, places: the place of each pair or -1, columns, conditions, selection}. */
  prefdelta.listing = (study, pairing, pairs, {filter, sort, dir}) => {
    const key = JSON.stringify([pairing, filter, sort, dir]);
    if (last.key === key && last.pairs === pairs) return last;
    const conditions = parse(filter);
    const columns = prefdelta.columns(study, pairing, pairs);
    const selection = selectionOf(study, pairing, conditions);
    fillRanks(pairs, study.pairings[pairing].selections.indexOf(selection));
    const tests = conditions.map(condition => test(condition, columns, pairs));
    const found = [];
    for (let row = 0; row < pairs.pair_id.length; row++) if (tests.every(holds => holds(row))) found.push(row);
    const rows = ordered(
      found,
      columns.find(column => column.key === sort),
      dir === 'desc',
    );
    const places = new Int32Array(pairs.pair_id.length).fill(-1);
    rows.forEach((row, place) => {
      places[row] = place;
    });
    last = {key, pairs, rows, places, columns, conditions, selection};
    return last;
  };

  prefdelta.conditions = {parse, write, OPERATORS};
}
