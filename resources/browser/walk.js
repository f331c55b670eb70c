'use strict';

/* The bar above a pair or an item, with which one walks through the list that it was opened from. */
{
  const {element, formats} = prefdelta;

  /* What is `by` places further in a list; from outside of it, the first. Undefined: there is none. */
  prefdelta.further = ({rows, places}, row, by) => rows[places[row] < 0 ? 0 : places[row] + by];

  /* listing: {rows, places}. row: what is shown. list: the list's link. step: walks by -1 or 1. what, where: words. */
  prefdelta.walk = ({listing, row, list, step, what, where = ''}, ...more) => {
    const place = listing.places[row];
    const button = (words, key, by) =>
      element(
        'button',
        {
          type: 'button',
          title: `key ${key}`,
          disabled: listing.rows[place + by] === undefined,
          click: () => step(by),
        },
        words,
      );
    return element(
      'div',
      {class: 'walk'},
      element('a', {href: list, title: 'key Esc'}, 'list'),
      button('← previous', 'k', -1),
      button('next →', 'j', 1),
      element(
        'span',
        {class: 'muted'},
        place < 0
          ? `not among the listed ${what}`
          : `${formats.count(place + 1)} of ${formats.count(listing.rows.length)}${where}`,
      ),
      prefdelta.raw.button(),
      ...more,
    );
  };
}
