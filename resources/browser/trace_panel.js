'use strict';

/* A trace with all that is known of it: a side of a pair, or alone. */
{
  const {element, fold, formats} = prefdelta;

  const missing = 'The text of this trace was not written.';

  prefdelta.traceFacts = trace =>
    prefdelta.facts([
      ['grade', prefdelta.mark(trace.correct)],
      ['extracted answer', trace.extracted && prefdelta.visible(trace.extracted)],
      ['tokens', formats.count(trace.tokens)],
      ['characters', trace.text === null ? null : formats.count([...trace.text].length)],
      ['finish', formats.finish(trace.finish_reason)],
      ['failure', trace.failure && formats.words(trace.failure)],
      ['grade failure', trace.grade_failure && formats.words(trace.grade_failure)],
    ]);

  /* heading: elements above it. */
  prefdelta.tracePanel = (heading, trace, raw) =>
    element(
      'section',
      {class: 'trace'},
      ...heading,
      prefdelta.traceFacts(trace),
      trace.text === null ? prefdelta.notice(missing) : prefdelta.text(trace.text, {raw}),
      element('h3', {}, 'Judge'),
      ...prefdelta.judged(trace),
    );

  const shownSampling = sampling =>
    Object.entries(sampling ?? {})
      .map(([name, value]) => `${name} ${typeof value === 'object' ? JSON.stringify(value) : value}`)
      .join(', ') || null;

  const judgesOf = trace =>
    [...new Set((trace.replies ?? []).map(({judge}) => judge).filter(Boolean))].join(', ') || null;

  /* Where a trace comes from: generator, model, commit, template, sampling, seed, key of the call. */
  prefdelta.lineage = (generator, trace) =>
    fold('lineage', () =>
      [
        prefdelta.facts([
          ['generator', generator.name],
          ['model', generator.model],
          ['commit', generator.revision],
          ['source', generator.source],
          ['draw', generator.draw === null || generator.draw === undefined ? null : String(generator.draw)],
          ['sampling', shownSampling(generator.sampling)],
          ['sample', String(trace.sample)],
          ['seed', trace.seed],
          ['call', trace.call_key],
          ['judged by', judgesOf(trace)],
        ]),
        generator.system ? [element('h5', {}, 'system prompt'), element('pre', {tabindex: 0}, generator.system)] : [],
        generator.template
          ? [element('h5', {}, 'prompt template'), element('pre', {tabindex: 0}, generator.template)]
          : [],
      ].flat(),
    );

  /* A problem with the answers that count as right. */
  prefdelta.problem = (prompt, raw) =>
    element(
      'section',
      {class: 'problem'},
      element('h2', {}, 'Problem ', element('span', {class: 'muted'}, prompt.id)),
      prompt.text === null
        ? prefdelta.notice('The text of this problem was not written.')
        : prefdelta.text(prompt.text, {raw}),
      prompt.answers?.length ? prefdelta.facts([['right answer', prompt.answers.join(' or ')]]) : null,
    );

  /* The switch between maths and the text as it is. The choice holds for what is opened next, too. */
  let raw = false;
  prefdelta.raw = {
    now: () => raw,
    change: () => {
      raw = !raw;
      prefdelta.show();
    },
    button: () =>
      element(
        'button',
        {type: 'button', 'aria-pressed': String(raw), click: () => prefdelta.raw.change()},
        raw ? 'show maths' : 'show raw text',
      ),
  };

  /* The problem and the trace of a sample. Throws where it is not there. */
  prefdelta.problemOf = async number => {
    const {study} = prefdelta;
    const page = Math.floor(number / study.page);
    return (await prefdelta.shard(`prompts/${page}`))[number - page * study.page];
  };
  prefdelta.traceOf = async (generator, number, sample) => {
    const {study} = prefdelta;
    const page = Math.floor(number / study.page);
    const traces = (await prefdelta.shard(`traces/${generator}/${page}`))[number - page * study.page] ?? [];
    const trace = traces.find(one => one.sample === sample);
    if (trace === undefined) {
      throw new Error(
        `${study.generators[generator].name} has no sample ${sample} of problem ${study.prompt_ids[number]} here. It has ${
          traces.length ? traces.map(one => one.sample).join(', ') : 'none'
        }.`,
      );
    }
    return trace;
  };
}
