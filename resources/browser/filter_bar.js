'use strict';

/* The conditions of a list, one beside the other: column, comparison, value. All of them must hold. */
{
  const {element} = prefdelta;
  const {OPERATORS} = prefdelta.conditions;
  const MOST_CHOICES = 200;

  const choicesOf = (column, n) => {
    if (column.kind === 'selection') return column.selections;
    const values = new Set();
    for (let row = 0; row < n && values.size < MOST_CHOICES; row++) values.add(column.value(row));
    return [...values].sort();
  };

  const startOf = (column, n) => ({
    key: column.key,
    operator: Object.keys(OPERATORS[column.kind])[0],
    value: ['choice', 'selection'].includes(column.kind) ? (choicesOf(column, n)[0] ?? '') : '',
  });

  const valueField = (column, condition, n, changed) => {
    const name = `value of ${column.title}`;
    if (['choice', 'selection'].includes(column.kind)) {
      return element(
        'select',
        {
          'aria-label': name,
          change: event => {
            condition.value = event.target.value;
            changed();
          },
        },
        choicesOf(column, n).map(value => element('option', {selected: value === condition.value}, value)),
      );
    }
    const number = column.kind === 'number' ? {type: 'number', step: 'any'} : {type: 'search'};
    return element('input', {
      ...number,
      'aria-label': name,
      value: condition.value,
      size: 8,
      input: event => {
        condition.value = event.target.value;
        changed();
      },
    });
  };

  const conditionField = (condition, columns, n, changed, remade, removed) => {
    const column = columns.find(other => other.key === condition.key) ?? columns[0];
    const operators = Object.entries(OPERATORS[column.kind]);
    return element(
      'div',
      {class: 'condition', role: 'group', 'aria-label': `condition on ${column.title}`},
      element(
        'select',
        {
          'aria-label': 'column',
          change: event => {
            Object.assign(
              condition,
              startOf(
                columns.find(other => other.key === event.target.value),
                n,
              ),
            );
            remade();
          },
        },
        columns.map(other => element('option', {value: other.key, selected: other === column}, other.title)),
      ),
      element(
        'select',
        {
          'aria-label': 'comparison',
          change: event => {
            condition.operator = event.target.value;
            changed();
          },
        },
        operators.map(([sign, words]) =>
          element('option', {value: sign, selected: sign === condition.operator}, words),
        ),
      ),
      valueField(column, condition, n, changed),
      element('button', {type: 'button', 'aria-label': `remove the condition on ${column.title}`, click: removed}, '×'),
    );
  };

  /* A bar of conditions for n rows. `changed` gets them whenever one is another. */
  prefdelta.filterBar = (columns, n, conditions, changed) => {
    const now = conditions.map(condition => ({...condition}));
    const tell = () => changed(now);
    const bar = element('div', {class: 'conditions'});
    const build = () => {
      bar.replaceChildren(
        ...now.map(condition =>
          conditionField(
            condition,
            columns,
            n,
            tell,
            () => {
              build();
              tell();
            },
            () => {
              now.splice(now.indexOf(condition), 1);
              build();
              tell();
            },
          ),
        ),
        element(
          'button',
          {
            type: 'button',
            class: 'add',
            click: () => {
              const preferred = columns.findLast(column => column.key.startsWith('delta.')) ?? columns[0];
              now.push(startOf(preferred, n));
              build();
              bar.querySelector('.condition:last-of-type select').focus();
              tell();
            },
          },
          now.length ? '+ and' : '+ filter',
        ),
      );
    };
    build();
    return bar;
  };
}
