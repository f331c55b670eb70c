'use strict';

/* Makes elements. Text becomes text nodes, never markup. */
{
  /* An element: attributes by name (a function listens to the event of its name), then children; null is left out. */
  prefdelta.element = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value === null || value === undefined || value === false) continue;
      if (typeof value === 'function') made.addEventListener(name, value);
      else made.setAttribute(name, value === true ? '' : value);
    }
    made.append(...children.flat().filter(child => child !== null && child !== undefined));
    return made;
  };

  /* A part that opens. Its inside is made when it is opened for the first time. */
  prefdelta.fold = (title, inside) => {
    const {element} = prefdelta;
    const details = element(
      'details',
      {
        toggle: () => {
          if (details.open && details.children.length === 1) details.append(...[inside()].flat());
        },
      },
      element('summary', {}, title),
    );
    return details;
  };

  /* A list of facts: [[name, value or null], ...]. What is null is not shown. */
  prefdelta.facts = rows =>
    prefdelta.element(
      'dl',
      {class: 'facts'},
      rows
        .filter(([, value]) => value !== null && value !== undefined)
        .map(([name, value]) =>
          prefdelta.element('div', {}, prefdelta.element('dt', {}, name), prefdelta.element('dd', {}, value)),
        ),
    );

  /* A table of a heading and rows of cells; the first cell of a row is its heading. */
  prefdelta.table = (headings, rows) => {
    const {element} = prefdelta;
    return element(
      'div',
      {class: 'scroll', tabindex: 0},
      element(
        'table',
        {},
        element(
          'thead',
          {},
          element(
            'tr',
            {},
            headings.map(text => element('th', {scope: 'col'}, text)),
          ),
        ),
        element(
          'tbody',
          {},
          rows.map(([first, ...cells]) =>
            element(
              'tr',
              {},
              element('th', {scope: 'row'}, first),
              cells.map(cell => element('td', {}, cell)),
            ),
          ),
        ),
      ),
    );
  };

  /* Such a table whose cells are words. */
  prefdelta.wordTable = (headings, rows) => {
    const made = prefdelta.table(headings, rows);
    made.classList.add('words');
    return made;
  };

  prefdelta.notice = (...texts) => prefdelta.element('p', {class: 'notice'}, ...texts);

  /* A choice of one: options are [value, shown]. */
  prefdelta.choice = (label, options, value, chosen) => {
    const {element} = prefdelta;
    return element(
      'label',
      {},
      element('span', {}, label),
      element(
        'select',
        {change: event => chosen(event.target.value)},
        options.map(([key, shown]) => element('option', {value: key, selected: String(key) === String(value)}, shown)),
      ),
    );
  };
}
