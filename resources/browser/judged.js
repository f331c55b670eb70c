'use strict';

/* What a judge said of a trace: per dimension and vote, and the texts that it was given. */
{
  const {element, fold, formats} = prefdelta;

  const block = (title, text, missing) => [
    element('h5', {}, title),
    text === null || text === undefined
      ? prefdelta.notice(missing)
      : element('pre', {dir: 'auto', tabindex: 0}, prefdelta.visible(text)),
  ];

  const vote = (trace, {score, failure, attempt, reply, key}, n) => {
    const said = trace.replies[reply] ?? {reasoning: null, reply: null, judge: null};
    const head = `vote ${n + 1}: ${failure ? `failed (${formats.words(failure)})` : formats.number(score)}`;
    return element(
      'div',
      {class: 'vote'},
      element(
        'h4',
        {},
        head,
        said.judge ? element('span', {class: 'muted'}, ` · ${said.judge}`) : null,
        attempt ? element('span', {class: 'muted'}, ` · attempt ${attempt + 1}`) : null,
      ),
      ...block(
        'reasoning',
        said.reasoning,
        'The judge’s reasoning is not recorded: it gave none, or its server keeps it to itself.',
      ),
      ...block('reply', said.reply, 'The judge’s reply is not recorded here.'),
      prefdelta.facts([['call', key ?? null]]),
    );
  };

  /* Per dimension a fold with its votes. */
  prefdelta.judged = trace => {
    const judgements = Object.entries(trace.judgements ?? {});
    if (judgements.length === 0) return [prefdelta.notice('No judge was asked about this trace.')];
    return judgements.map(([dimension, {score, failure, votes, attempts}]) =>
      fold(
        element(
          'span',
          {},
          formats.words(dimension),
          ' ',
          element('b', {}, failure ? `failed: ${formats.words(failure)}` : formats.number(score)),
          element(
            'span',
            {class: 'muted'},
            ` · ${formats.plural(votes.length, 'vote')}${attempts > votes.length ? `, ${attempts} attempts` : ''}`,
          ),
        ),
        () =>
          votes.length
            ? votes.map((one, n) => vote(trace, one, n))
            : [prefdelta.notice('Its votes are not recorded here.')],
      ),
    );
  };

  /* "What the judge saw": its template and the rubrics. */
  prefdelta.judgeTexts = () => {
    const {study} = prefdelta;
    return [
      fold('what the judge saw: its template', () => element('pre', {tabindex: 0}, study.judge_template)),
      ...Object.entries(study.rubrics).map(([dimension, text]) =>
        fold(`rubric: ${formats.words(dimension)}`, () => element('pre', {tabindex: 0}, text)),
      ),
    ];
  };
}
