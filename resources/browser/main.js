'use strict';

/* Shows the view that the address names, and another one when the address changes. */
{
  const LISTS = ['pairs', 'items'];
  let turn = 0;
  let shown = null; // the name of the view

  const fail = error => {
    document.getElementById('failure').textContent = error.message;
    document.getElementById('failure').hidden = false;
  };

  const reveal = name => {
    for (const section of document.querySelectorAll('main > section')) section.hidden = section.id !== name;
    for (const link of document.querySelectorAll('nav a[data-view]')) {
      if (name?.startsWith(link.dataset.view)) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
    }
    document.body.classList.toggle('list', LISTS.includes(name));
  };

  prefdelta.show = async () => {
    const mine = ++turn;
    const current = () => mine === turn;
    const address = prefdelta.links.parse(location.hash);
    const name = address.view ?? 'pairs';
    const other = shown !== name;
    document.getElementById('failure').hidden = true;
    document.body.setAttribute('aria-busy', 'true');
    if (LISTS.includes(name)) reveal(name); // a table must be in sight to know its size
    shown = name;
    try {
      await prefdelta.views[name].show(address, current);
      if (!current()) return;
      reveal(name);
      document.title = `${prefdelta.views[name].title()} · ${prefdelta.study.study}`;
      if (other || !LISTS.includes(name)) window.scrollTo(0, 0);
      performance.mark('shown'); // benchmarks/browsing/measure.py looks for it
    } catch (error) {
      if (!current()) return;
      reveal(null);
      fail(error);
    } finally {
      if (current()) document.body.removeAttribute('aria-busy');
    }
  };

  const start = () => {
    const {study} = prefdelta;
    if (study === null) {
      fail(
        new Error(
          'data/study.js is not there: the data of this study were not written to the end. Run the study again; it goes on where it stopped.',
        ),
      );
      return;
    }
    document.getElementById('study').textContent = study.title ?? study.study;
    document.getElementById('facts').textContent = [
      prefdelta.formats.plural(study.pairings.length, 'pairing'),
      prefdelta.formats.plural(study.prompts, 'problem'),
      prefdelta.formats.plural(study.generators.length, 'generator'),
      prefdelta.formats.plural(study.arms.length, 'arm'),
      study.versions?.commit ? `commit ${study.versions.commit.slice(0, 10)}` : null,
    ]
      .filter(Boolean)
      .join(' · ');
    const help = document.getElementById('help');
    document.getElementById('help-button').addEventListener('click', () => help.showModal());
    document.getElementById('help-close').addEventListener('click', () => help.close());
    window.addEventListener('hashchange', prefdelta.show);
    prefdelta.listenToKeys(() => ({keys: prefdelta.views[shown].keys, isList: LISTS.includes(shown)}));
    prefdelta.show();
  };

  start();
}
