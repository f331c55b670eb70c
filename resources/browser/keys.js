'use strict';

/* The keyboard: what a view does at a key. Keys do nothing while somebody types. */
{
  const ACTIONS = {
    j: 'next',
    k: 'previous',
    ArrowRight: 'next',
    ArrowLeft: 'previous',
    Enter: 'open',
    o: 'open',
    r: 'raw',
    Escape: 'back',
  };
  const IN_LISTS = {ArrowDown: 'next', ArrowUp: 'previous'}; // elsewhere these scroll

  const typing = target => target.closest?.('input, select, textarea, [contenteditable]') !== null;
  const pressable = target => target.closest?.('a, button, summary') !== null;

  /* view(): the view that is shown, and whether it is a list. */
  prefdelta.listenToKeys = view =>
    document.addEventListener('keydown', event => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const help = document.getElementById('help');
      if (help.open) {
        if (event.key === '?') help.close();
        return; // Esc closes it by itself
      }
      if (typing(event.target)) {
        if (event.key === 'Escape') event.target.blur();
        return;
      }
      if (event.key === '?') {
        help.showModal();
        return;
      }
      if (event.key === 'Enter' && pressable(event.target)) return;
      const {keys, isList} = view();
      const action = ACTIONS[event.key] ?? (isList ? IN_LISTS[event.key] : undefined);
      if (action === undefined || keys?.[action] === undefined) return;
      event.preventDefault();
      keys[action]();
    });
}
