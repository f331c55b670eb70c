'use strict';

/* One trace alone: #trace=<generator>/<prompt id>/<sample>. */
{
  const {element, links} = prefdelta;

  let name = '';

  prefdelta.views.trace = {
    title: () => `Trace ${name}`,
    show: async ({parts: [of, promptId, sample]}, current) => {
      const {study} = prefdelta;
      const generator = links.numberOf(
        study.generators.map(one => one.name),
        of,
      );
      if (generator < 0)
        throw new Error(`There is no generator ${of}. There are ${study.generators.map(one => one.name).join(', ')}.`);
      const number = study.prompt_ids.indexOf(promptId);
      if (number < 0) throw new Error(`The study has no problem ${promptId}.`);
      const [prompt, trace] = await Promise.all([
        prefdelta.problemOf(number),
        prefdelta.traceOf(generator, number, Number(sample || 0)),
      ]);
      if (!current()) return;
      name = `${study.generators[generator].name} · ${promptId} · ${trace.sample}`;
      const panel = prefdelta.tracePanel([element('h2', {}, 'Trace')], trace, prefdelta.raw.now());
      panel.append(prefdelta.lineage(study.generators[generator], trace), ...prefdelta.judgeTexts());
      document
        .getElementById('trace')
        .replaceChildren(
          element('div', {class: 'walk'}, element('a', {href: '#pairs=0'}, 'list'), prefdelta.raw.button()),
          element(
            'h1',
            {},
            study.generators[generator].name,
            ' ',
            element('span', {class: 'name'}, `sample ${trace.sample}`),
          ),
          prefdelta.problem(prompt, prefdelta.raw.now()),
          panel,
        );
    },
    keys: {raw: () => prefdelta.raw.change(), back: () => history.back()},
  };
}
