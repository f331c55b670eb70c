'use strict';

/* Texts of models with their maths rendered. All else stays text. */
{
  const LONGEST = 4000; // characters of one formula; a longer one stays text
  const OPTIONS = {
    throwOnError: true, // caught below: KaTeX would mark an error by a style attribute, which the page's policy forbids
    trust: false,
    strict: 'ignore',
    maxExpand: 200,
    maxSize: 20,
    // Both of these would get a style attribute in MathML. The box loses its two colours.
    macros: {
      '\\pmb': '\\boldsymbol{#1}',
      '\\fcolorbox': context => {
        context.consumeArgs(2);
        return '\\fbox';
      },
    },
  };
  const DISPLAY = {$$: '$$', '\\[': '\\]'};

  /* Where the maths that opens at `at` ends: {from, to, end, display}, or null if none opens there. */
  const formulaAt = (text, at) => {
    const two = text.slice(at, at + 2);
    for (const [open, close] of [
      ['$$', '$$'],
      ['\\[', '\\]'],
      ['\\(', '\\)'],
    ]) {
      if (two !== open) continue;
      const to = text.indexOf(close, at + 2);
      return to < 0 || to === at + 2 ? null : {from: at + 2, to, end: to + 2, display: open in DISPLAY};
    }
    return text[at] === '$' ? dollarsAt(text, at) : null;
  };

  /* Single dollars are maths only in one line, tight around it, and with no digit after: "$5 and $6" is money. */
  const dollarsAt = (text, at) => {
    if (/[\s$]/.test(text[at + 1] ?? ' ') || /[\\\w$]/.test(text[at - 1] ?? ' ')) return null;
    for (let to = at + 1; to < text.length && text[to] !== '\n'; to++) {
      if (text[to] === '\\') to++;
      else if (text[to] === '$') {
        return /\s/.test(text[to - 1]) || /[\d$]/.test(text[to + 1] ?? '')
          ? null
          : {from: at + 1, to, end: to + 1, display: false};
      }
    }
    return null;
  };

  /* The parts of a text: strings, and {source, tex, display} for maths. What stands between ``` is no maths. */
  const parts = text => {
    const found = [];
    let plain = 0;
    const finder = /```|\$|\\[[(]/g;
    for (let match; (match = finder.exec(text)); ) {
      if (match[0] === '```') {
        const end = text.indexOf('```', match.index + 3);
        if (end > 0) finder.lastIndex = end + 3;
        continue;
      }
      const formula = text[match.index - 1] === '\\' ? null : formulaAt(text, match.index);
      if (formula === null || formula.to - formula.from > LONGEST) continue;
      if (match.index > plain) found.push(text.slice(plain, match.index));
      const end = formula.display && text[formula.end] === '\n' ? formula.end + 1 : formula.end; // a display ends its line by itself
      found.push({
        source: text.slice(match.index, end),
        tex: text.slice(formula.from, formula.to),
        display: formula.display,
      });
      finder.lastIndex = plain = end;
    }
    if (plain < text.length) found.push(text.slice(plain));
    return found;
  };

  /* Control and direction marks by their code, such as ⟨U+202E⟩: they would be obeyed or unseen. */
  const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;
  const visible = text =>
    text.replace(HIDDEN, sign => `⟨U+${sign.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}⟩`);

  const rendered = ({source, tex, display}) => {
    const place = prefdelta.element('span', {class: display ? 'maths display' : 'maths'});
    try {
      katex.render(tex, place, {...OPTIONS, macros: {...OPTIONS.macros}, displayMode: display});
    } catch (error) {
      // a formula that is wrong, or too deep for the stack
      return prefdelta.element('span', {class: 'maths-error', title: error.message}, visible(source));
    }
    return place;
  };

  /* Paragraphs: [[part, ...], ...]. The browser lays out only those in sight (content-visibility in browser.css). */
  const paragraphs = found => {
    const made = [[]];
    for (const part of found) {
      const pieces = typeof part === 'string' ? part.split(/(?<=\n\n)(?!\n)/) : [part];
      pieces.forEach((piece, n) => {
        if (n > 0) made.push([]);
        made.at(-1).push(piece);
      });
    }
    return made;
  };

  /* Renders the formulas of paragraphs that come near the part in sight; the others wait as text. */
  const NEAR = '400px 0px';
  const watcher = new IntersectionObserver(
    (seen, self) => {
      for (const {target, isIntersecting} of seen) {
        if (!isIntersecting) continue;
        self.unobserve(target);
        target.replaceChildren(
          ...formulas.get(target).map(part => (typeof part === 'string' ? visible(part) : rendered(part))),
        );
        formulas.delete(target);
      }
    },
    {rootMargin: NEAR, scrollMargin: NEAR},
  );
  const formulas = new WeakMap(); // paragraph -> its parts

  /* A text: as it is where raw, else with its maths rendered. */
  prefdelta.text = (text, {raw = false} = {}) =>
    prefdelta.element(
      'div',
      {class: raw ? 'text raw' : 'text', tabindex: 0},
      paragraphs(raw ? [text] : parts(text)).map(paragraph => {
        const made = prefdelta.element(
          'div',
          {class: 'paragraph', dir: 'auto'},
          paragraph.map(part => visible(part.source ?? part)),
        );
        if (paragraph.some(part => part.tex !== undefined)) {
          formulas.set(made, paragraph);
          watcher.observe(made);
        }
        return made;
      }),
    );

  prefdelta.visible = visible;

  prefdelta.mathsParts = parts;
}
