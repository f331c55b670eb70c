'use strict';

/* The columns of a pairing: what the table shows, and what filters and orders work on. */
{
  const {formats} = prefdelta;

  /* A column: key (in links), title, kind ("number", "choice", "text" or "selection"), value and shown by row. */
  const column = (key, title, kind, value, shown, more = {}) => ({
    key,
    title,
    kind,
    value,
    shown: shown ?? (row => String(value(row) ?? formats.DASH)),
    usual: true,
    ...more,
  });

  const numbers = (key, title, values, shown, more) =>
    column(
      key,
      title,
      'number',
      row => values[row],
      row => shown(values[row]),
      more,
    );

  const difference = (chosen, rejected) =>
    chosen.map((value, row) => (value === null || rejected[row] === null ? null : value - rejected[row]));

  /* Ranks in a selection, by row: row -> [rank, swapped]. */
  const ranksOf = (pairs, selection) => {
    pairs.maps ??= new Map();
    if (!pairs.maps.has(selection)) {
      pairs.maps.set(
        selection,
        new Map((pairs.ranks[selection] ?? []).map(([row, rank, swapped]) => [row, [rank, swapped]])),
      );
    }
    return pairs.maps.get(selection);
  };

  const made = (study, pairing, pairs) => {
    const verdict = side => row => formats.verdict(pairs[`${side}_correct`][row]);
    const rare = {usual: false};
    const deltas = study.dimensions.filter(name => pairs.deltas[name]?.some(value => value !== null));
    return [
      column('pair', 'pair', 'text', row => pairs.pair_id[row]),
      // Of the selection that the listing holds to; shown only then.
      numbers(
        'rank',
        'rank in the selection',
        (pairs.rank ??= new Array(pairs.pair_id.length).fill(null)),
        formats.count,
        rare,
      ),
      column('prompt', 'prompt', 'text', row => study.prompt_ids[pairs.prompt[row]], null, rare),
      column('cell', 'chosen-rejected', 'choice', row => pairs.cell[row] ?? 'not graded'),
      ...deltas.map(name =>
        numbers(
          `delta.${name}`,
          `Δ ${formats.words(name)}`,
          pairs.deltas[name],
          formats.signedLike(pairs.deltas[name]),
        ),
      ),
      ...deltas.flatMap(name =>
        ['chosen', 'rejected'].map(side =>
          numbers(
            `${side}.${name}`,
            `${side}: ${formats.words(name)}`,
            pairs[`${side}_scores`][name] ?? [],
            formats.number,
            rare,
          ),
        ),
      ),
      numbers('tokens.chosen', 'tokens chosen', pairs.chosen_tokens, formats.count),
      numbers('tokens.rejected', 'tokens rejected', pairs.rejected_tokens, formats.count),
      numbers('tokens.delta', 'Δ tokens', difference(pairs.chosen_tokens, pairs.rejected_tokens), formats.signed),
      numbers('characters.chosen', 'characters chosen', pairs.chosen_characters, formats.count, rare),
      numbers('characters.rejected', 'characters rejected', pairs.rejected_characters, formats.count, rare),
      numbers(
        'characters.delta',
        'Δ characters',
        difference(pairs.chosen_characters, pairs.rejected_characters),
        formats.signed,
        rare,
      ),
      column('correct.chosen', 'chosen is', 'choice', verdict('chosen'), null, rare),
      column('correct.rejected', 'rejected is', 'choice', verdict('rejected'), null, rare),
      column('eligible', 'eligible', 'choice', row => (pairs.eligible[row] ? 'yes' : 'no')),
      column('reason', 'why not eligible', 'choice', row => pairs.reason[row] ?? formats.DASH, null, rare),
      column('pool', 'in the pool', 'choice', row => (pairs.pool[row] ? 'yes' : 'no'), null, rare),
      column('in', 'selection', 'selection', null, null, {...rare, selections: study.pairings[pairing].selections}),
    ];
  };

  const kept = new WeakMap(); // pairs -> columns

  prefdelta.columns = (study, pairing, pairs) => {
    if (!kept.has(pairs)) kept.set(pairs, made(study, pairing, pairs));
    return kept.get(pairs);
  };

  prefdelta.ranksOf = ranksOf;
}
