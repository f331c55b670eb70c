'use strict';

/* Deep links: what is shown is what stands behind the # of the address. */
{
  const VIEWS = ['pairs', 'pair', 'trace', 'items', 'item'];

  const decode = text => {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  };
  const encode = text => encodeURIComponent(text).replace(/%(2F|40|3A|3D|2C|3B)/g, decodeURIComponent);

  /* {view, parts: the parts of its value, options: the rest by name}; view is null where no view is named. */
  const parse = hash => {
    const options = {};
    let view = null;
    let parts = [];
    for (const field of hash.replace(/^#/, '').split('&')) {
      const at = field.indexOf('=');
      const name = at < 0 ? field : field.slice(0, at);
      const value = at < 0 ? '' : field.slice(at + 1);
      if (view === null && VIEWS.includes(name)) [view, parts] = [name, value.split('/').map(decode)];
      else if (name) options[name] = decode(value);
    }
    return {view, parts, options};
  };

  /* The link to a view; options that are empty or null are left out. */
  const make = (view, parts, options = {}) => {
    const rest = Object.entries(options).filter(([, value]) => value !== null && value !== undefined && value !== '');
    return `#${view}=${parts.map(part => encodeURIComponent(part).replace(/%40/g, '@')).join('/')}${rest
      .map(([name, value]) => `&${name}=${encode(String(value)).replaceAll('&', '%26')}`)
      .join('')}`;
  };

  /* The number of a name in a list. Links may hold either. */
  const numberOf = (names, part) => {
    const at = names.indexOf(part);
    if (at >= 0) return at;
    return /^\d+$/.test(part ?? '') && Number(part) < names.length ? Number(part) : -1;
  };

  /* Shows a link. A step to the next one takes the place of this one in the history, so that "back" leaves the walk. */
  const go = (link, {step = false} = {}) => {
    if (link === location.hash) return;
    if (step) {
      history.replaceState(null, '', link);
      window.dispatchEvent(new HashChangeEvent('hashchange'));
    } else location.hash = link;
  };

  prefdelta.links = {parse, make, numberOf, go};
}
