'use strict';

/* One pair: its problem, both sides beside each other, scores, the judge's words, lineage, selections and arms. */
{
  const {element, formats, links} = prefdelta;

  let here = null; // {pairing, pairs, row, listing, options}

  const walk = () =>
    prefdelta.walk({
      listing: here.listing,
      row: here.row,
      list: prefdelta.pairLinks.list(here.pairing, here.options),
      step,
      what: 'pairs',
      where: here.options.filter ? ' in this filter' : '',
    });

  const step = by => {
    const {listing, row, pairing, pairs, options} = here;
    const next = prefdelta.further(listing, row, by);
    if (next !== undefined) links.go(prefdelta.pairLinks.pair(pairing, pairs, next, options), {step: true});
  };

  /* Scores per dimension and lengths: a column each, with the delta below both sides. */
  const scores = () => {
    const {pairs, row} = here;
    const {study} = prefdelta;
    const dimensions = study.dimensions.filter(name => pairs.deltas[name]);
    const title = name =>
      study.judged?.[name] ? `the mean of ${study.judged[name].map(formats.words).join(', ')}` : null;
    const lengths = [
      ['tokens', pairs.chosen_tokens, pairs.rejected_tokens],
      ['characters', pairs.chosen_characters, pairs.rejected_characters],
    ];
    const line = (words, score, length) => [
      element('span', {class: words}, words),
      ...dimensions.map(score),
      ...lengths.map(length),
    ];
    return [
      prefdelta.table(
        [
          '',
          ...dimensions.map(name => element('span', {title: title(name)}, formats.words(name))),
          ...lengths.map(([name]) => name),
        ],
        [
          line(
            'chosen',
            name => formats.number(pairs.chosen_scores[name]?.[row]),
            ([, chosen]) => formats.count(chosen[row]),
          ),
          line(
            'rejected',
            name => formats.number(pairs.rejected_scores[name]?.[row]),
            ([, , rejected]) => formats.count(rejected[row]),
          ),
          line(
            'Δ',
            name => formats.signed(pairs.deltas[name][row]),
            ([, chosen, rejected]) => formats.difference(chosen[row], rejected[row]),
          ),
        ],
      ),
      dimensions.every(name => pairs.deltas[name][row] === null)
        ? prefdelta.notice('This pair has no scores: its traces were not judged, or a judgement failed (see below).')
        : '',
    ];
  };

  /* An arm's name, which leads to what it answers where it was evaluated. */
  const answersOf = arm => {
    const {policies, benchmarks} = prefdelta.study;
    if (!policies.includes(arm) || benchmarks.length === 0) return arm;
    return element('a', {href: prefdelta.itemLinks.list(0, {b: arm}), title: 'its answers to benchmark items'}, arm);
  };

  const armsOf = selection =>
    prefdelta.study.arms
      .filter(arm => arm.pairing === here.pairing && arm.selection === selection)
      .map(arm => arm.name);

  const selections = () => {
    const {pairs, row, pairing} = here;
    const names = prefdelta.study.pairings[pairing].selections;
    const held = names.map((name, n) => [name, n, prefdelta.ranksOf(pairs, n).get(row)]).filter(([, , rank]) => rank);
    if (held.length === 0) return prefdelta.notice('No selection holds this pair, so no arm trained on it.');
    return prefdelta.wordTable(
      ['selection', 'rank', 'sides', 'arms that trained on it'],
      held.map(([name, n, [rank, swapped]]) => [
        element('a', {href: prefdelta.pairLinks.list(pairing, {filter: `in=${name}`, sort: 'rank', dir: 'asc'})}, name),
        formats.count(rank),
        swapped ? 'swapped: the rejected one is learned' : 'as here',
        armsOf(n).length
          ? element(
              'ul',
              {},
              armsOf(n).map(arm => element('li', {}, answersOf(arm))),
            )
          : formats.DASH,
      ]),
    );
  };

  const side = async (words, generator, sample) => {
    const {study} = prefdelta;
    const {pairs, row} = here;
    const {name} = study.generators[generator];
    const heading = link => [element('h2', {class: words}, `${words} · `, link)];
    if (sample === null || sample === undefined) {
      return element(
        'section',
        {class: 'trace'},
        ...heading(name),
        prefdelta.notice(
          `There is no ${words} trace: ${pairs.reason[row] ? formats.words(pairs.reason[row]) : 'none was usable'}.`,
        ),
      );
    }
    try {
      const trace = await prefdelta.traceOf(generator, pairs.prompt[row], sample);
      const href = links.make('trace', [name, study.prompt_ids[pairs.prompt[row]], String(sample)]);
      const panel = prefdelta.tracePanel(heading(element('a', {href}, name)), trace, prefdelta.raw.now());
      panel.append(prefdelta.lineage(study.generators[generator], trace));
      return panel;
    } catch (error) {
      return element('section', {class: 'trace'}, ...heading(name), prefdelta.notice(error.message));
    }
  };

  /* The row of the pair whose id begins so; as many characters as tell it from the others are enough. */
  const rowOf = (ids, part, pairing) => {
    const begin = ids.flatMap((id, row) => (id.startsWith(part) ? [row] : []));
    const exact = ids.indexOf(part);
    if (exact >= 0) return exact;
    if (begin.length === 1) return begin[0];
    throw new Error(`${pairing} has ${begin.length || 'no'} pair${begin.length ? 's that begin with' : ''} ${part}.`);
  };

  prefdelta.views.pair = {
    title: () => `Pair ${here.pairs.pair_id[here.row]}`,
    show: async ({parts, options}, current) => {
      const {study} = prefdelta;
      const pairing = prefdelta.pairingOf(parts[0]);
      const pairs = await prefdelta.shard(`pairs/${pairing}`);
      const row = rowOf(pairs.pair_id, parts[1], study.pairings[pairing].name);
      here = {pairing, pairs, row, options, listing: prefdelta.listing(study, pairing, pairs, options)};
      const {chosen, rejected} = study.pairings[pairing];
      const [prompt, ...sides] = await Promise.all([
        prefdelta.problemOf(pairs.prompt[row]),
        side('chosen', chosen, pairs.chosen_sample[row]),
        side('rejected', rejected, pairs.rejected_sample[row]),
      ]);
      if (!current()) return;
      document.getElementById('pair').replaceChildren(
        walk(),
        element('h1', {}, 'Pair ', element('span', {class: 'name'}, pairs.pair_id[row])),
        prefdelta.facts([
          ['pairing', study.pairings[pairing].name],
          ['chosen-rejected', pairs.cell[row]],
          ['eligible', pairs.eligible[row] ? 'yes' : `no: ${formats.words(pairs.reason[row] ?? 'no reason recorded')}`],
          ['in the pool', pairs.pool[row] ? 'yes' : 'no'],
        ]),
        prefdelta.problem(prompt, prefdelta.raw.now()),
        ...scores(),
        element('div', {class: 'sides'}, ...sides),
        element('h2', {}, 'Selections and arms'),
        selections(),
        element('h2', {}, 'The judge'),
        prefdelta.wordTable(
          ['scores', 'model', 'commit', 'asked through'],
          study.judges.map(judge => [
            judge.dimensions.map(formats.words).join(', '),
            judge.model,
            judge.revision ?? formats.DASH,
            judge.where ?? formats.DASH,
          ]),
        ),
        ...prefdelta.judgeTexts(),
      );
      prefdelta.views.pairs.looked(pairing, row);
    },
    keys: {
      next: () => step(1),
      previous: () => step(-1),
      raw: () => prefdelta.raw.change(),
      back: () => links.go(prefdelta.pairLinks.list(here.pairing, here.options)),
    },
  };
}
