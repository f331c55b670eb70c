'use strict';

/* What the arms made of a benchmark's items: how often each is right, and what of it is shown. */
{
  const {formats} = prefdelta;

  /* {right, counted, cut}: draws of an item by a policy. `at`: its place in items.policies. */
  const draws = (items, at, row) => {
    const from = row * items.samples;
    const marks = items.right[at].slice(from, from + items.samples);
    const finish = (items.finish?.[at] ?? '').slice(from, from + items.samples);
    const of = mark => marks.split(mark).length - 1;
    return {right: of('1'), counted: marks.length - of('?'), cut: finish.split('l').length - 1, unsolved: of('-')};
  };

  /* The share of an item's draws that are right, 0 to 1; null where none counts. */
  const share = (items, at, row) => {
    const {right, counted} = draws(items, at, row);
    return counted === 0 ? null : right / counted;
  };

  /* Per item the number of arms that solve it (with several draws: the sum of their shares). */
  const solvers = items =>
    items.prompt_ids.map((_, row) =>
      items.policies.reduce((sum, _policy, at) => sum + (share(items, at, row) ?? 0), 0),
    );

  /* One sign: filled for right, hollow for wrong, a dash for no answer; with several draws how many are right. */
  const sign = (items, at, row) => {
    const {right, counted, unsolved} = draws(items, at, row);
    if (counted === 0) return {text: '?', kind: 'uncounted'};
    if (items.samples > 1)
      return {text: String(right), kind: right * 2 > counted ? 'right' : right ? 'partly' : 'wrong'};
    return right ? {text: '●', kind: 'right'} : unsolved ? {text: '–', kind: 'unsolved'} : {text: '○', kind: 'wrong'};
  };

  const words = (items, at, row) => {
    const {right, counted, cut, unsolved} = draws(items, at, row);
    const said =
      counted === 0
        ? 'not counted'
        : items.samples > 1
          ? `${right} of ${counted} draws right`
          : right
            ? 'right'
            : unsolved
              ? 'no answer: counts as not solved'
              : 'wrong';
    return `${said}${cut ? `, ${cut === items.samples ? '' : `${cut} `}cut at the token limit` : ''}${
      items.tokens ? `, ${formats.count(items.tokens[at][row])} tokens` : ''
    }`;
  };

  prefdelta.solved = {share, solvers, sign, words};
}
