'use strict';

/* A table of many numbered rows, shown by Tabulator. What is in it, and in which order, is told by a listing. */
{
  const {element} = prefdelta;
  const ROW_HEIGHT = 30; // pixels
  const ARROWS = {asc: ' ▲', desc: ' ▼'};
  const WORDS = {asc: 'ascending', desc: 'descending'};

  const heading = (column, sorted) => () =>
    element(
      'div',
      {class: column.headingClass ?? 'heading'},
      column.sortable === false
        ? element('span', {title: column.title}, column.title)
        : element(
            'button',
            {
              type: 'button',
              class: 'sort',
              'data-sort': column.key,
              title: `order by ${column.title}`,
              click: () => sorted(column.key),
            },
            column.title,
            element('span', {class: 'arrow', 'aria-hidden': 'true'}),
          ),
    );

  /* A listing is {rows: numbers of rows in their order, places: the place of each row, or -1}.
     columns: [{key, title, cell: row => node, width, number, sortable, headingClass}, ...]; the first one stays in sight.
     opened(row): a row was chosen. sorted(key): an order was asked for. Resolves to what shows a listing. */
  prefdelta.grid = async (place, n, columns, {opened, sorted, placeholder}) => {
    let listing = {rows: [], places: new Int32Array(n)};
    let current = null;
    const table = new Tabulator(place, {
      data: Array.from({length: n}, (_, row) => ({row})),
      index: 'row',
      nestedFieldSeparator: false,
      height: '100%',
      rowHeight: ROW_HEIGHT,
      renderVerticalBuffer: 150,
      layout: 'fitDataFill',
      columnDefaults: {resizable: false, headerSort: false},
      placeholder: element('p', {class: 'notice'}, placeholder),
      columns: columns.map((column, at) => ({
        title: column.title,
        titleFormatter: heading(column, sorted),
        width: column.width,
        minWidth: Math.min(column.width, 40),
        formatter: cell => column.cell(cell.getRow().getData().row),
        cssClass: column.number ? 'number' : (column.cssClass ?? ''),
        ...(at > 0
          ? {field: column.key}
          : {field: 'row', frozen: true, sorter: (a, b) => listing.places[a] - listing.places[b]}),
      })),
      rowFormatter: row => row.getElement().classList.toggle('current', row.getData().row === current),
    });
    table.on('rowClick', (event, row) => {
      if (!event.target.closest('a')) opened(row.getData().row);
    });
    await new Promise(built => table.on('tableBuilt', built));

    const mark = row => {
      const before = current;
      current = row;
      for (const each of [before, row]) if (each !== null) table.getRow(each)?.reformat?.();
      if (row !== null && listing.places[row] >= 0) table.scrollToRow(row, 'nearest', false).catch(() => {});
    };

    return {
      /* out: keys of columns that are out of sight. */
      show: (now, {sort, dir}, out = []) => {
        listing = now;
        table.blockRedraw();
        for (const column of table.getColumns()) {
          const seen = !out.includes(column.getField());
          if (column.isVisible() !== seen) column.toggle();
        }
        table.setFilter(({row}) => listing.places[row] >= 0);
        table.setSort('row', 'asc');
        table.restoreRedraw();
        for (const button of place.querySelectorAll('button.sort')) {
          const order = button.dataset.sort === sort ? (dir ?? 'asc') : null;
          button.lastChild.textContent = ARROWS[order] ?? '';
          button.closest('[role=columnheader]').setAttribute('aria-sort', WORDS[order] ?? 'none');
        }
      },
      mark,
      /* Marks the row that stands `by` places after the marked one. */
      move: by => {
        const {rows, places} = listing;
        if (rows.length === 0) return;
        const at = current === null ? -1 : places[current];
        mark(rows[Math.min(rows.length - 1, Math.max(0, at < 0 ? 0 : at + by))]);
      },
      open: () => {
        if (current !== null) opened(current);
      },
      destroy: () => table.destroy(),
    };
  };

  /* The next order when the heading of a column is chosen: `first`, then the other direction. */
  prefdelta.nextOrder = (key, {sort, dir}, first) => ({
    sort: key,
    dir: sort !== key ? first : dir === 'desc' ? 'asc' : 'desc',
  });
}
