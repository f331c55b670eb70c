'use strict';

/* Numbers and states as they are shown. */
{
  const DASH = '—';
  const whole = new Intl.NumberFormat('en', {maximumFractionDigits: 0});
  const upTo2 = new Intl.NumberFormat('en', {maximumFractionDigits: 2});
  const signedUpTo2 = new Intl.NumberFormat('en', {maximumFractionDigits: 2, signDisplay: 'exceptZero'});
  const minus = text => text.replace('-', '−');
  const isWhole = value => Math.abs(value - Math.round(value)) < 1e-6;
  const none = value => value === null || value === undefined;

  prefdelta.formats = {
    DASH,
    count: value => (none(value) ? DASH : whole.format(value)),
    number: value => (none(value) ? DASH : upTo2.format(value)),
    signed: value => (none(value) ? DASH : minus(signedUpTo2.format(value))),
    /* Shows signed numbers of one column with equally many decimals, at most two. */
    signedLike: values => {
      const digits = values.some(value => !none(value) && !Number.isInteger(value))
        ? values.some(value => !none(value) && !isWhole(value * 10))
          ? 2
          : 1
        : 0;
      const format = new Intl.NumberFormat('en', {
        minimumFractionDigits: digits,
        maximumFractionDigits: 2,
        signDisplay: 'exceptZero',
      });
      return value => (none(value) ? DASH : minus(format.format(value)));
    },
    /* one - other, and a dash where either is missing. */
    difference: (one, other) => (none(one) || none(other) ? DASH : prefdelta.formats.signed(one - other)),
    words: name => name.replaceAll('_', ' '),
    /* 1 or true: right, 0 or false: wrong, null: nobody graded it. */
    verdict: value => (none(value) ? 'not graded' : value ? 'right' : 'wrong'),
    finish: reason => ({stop: 'stopped by itself', length: 'cut at the token limit'})[reason] ?? reason ?? 'unknown',
    plural: (n, one, many = `${one}s`) => `${whole.format(n)} ${n === 1 ? one : many}`,
  };

  /* "right" with a tick, "wrong" with a cross, so that colour is not needed. */
  prefdelta.mark = value => {
    const words = prefdelta.formats.verdict(value);
    const sign = {right: '✓ ', wrong: '✗ '}[words] ?? '';
    return prefdelta.element('span', {class: `mark ${words.replace(' ', '-')}`}, sign + words);
  };
}
