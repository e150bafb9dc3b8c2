import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fields, formatBytes, formatDuration, plural, printable, table } from '../../cli/format.ts';

test('sizes are in binary units with one digit after the point', () => {
  const seen = [0, 1023, 1024, 1536, 126_595_440, 5 * 1024 ** 3, 1024 ** 5, 2000 * 1024 ** 5].map(
    formatBytes,
  );
  expect(seen).toEqual([
    '0 B',
    '1023 B',
    '1.0 KiB',
    '1.5 KiB',
    '120.7 MiB',
    '5.0 GiB',
    '1.0 PiB',
    '2000 PiB',
  ]);
});

test('durations name their two largest units', () => {
  const seen = [0, 1234, 9_949, 10_000, 59_999, 60_000, 83_000, 3_723_000, 90_000_000].map(formatDuration);
  expect(seen).toEqual(['0.0s', '1.2s', '9.9s', '10s', '1m00s', '1m00s', '1m23s', '1h02m', '1d01h']);
});

test('a table aligns words to the left and numbers to the right', () => {
  expect(
    table(
      ['node', 'degree'],
      [
        ['ab', '6'],
        ['abcd', '12'],
      ],
    ),
  ).toBe('node  degree\nab         6\nabcd      12');
  expect(table(['node'], [])).toBe('node');
});

test('fields stand under one another', () => {
  expect(
    fields([
      ['a', '1'],
      ['long', '2'],
    ]),
  ).toBe('a     1\nlong  2');
});

test('one is one, all else is many', () => {
  expect([plural(1, 'node'), plural(0, 'node'), plural(2, 'entry', 'entries')]).toEqual([
    '1 node',
    '0 nodes',
    '2 entries',
  ]);
});

test('text of strangers cannot move the cursor or flood the screen', () => {
  expect(printable('\u001b[2Jowned\r\nline\u0007')).toBe('[2Jowned line');
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 600 }), (text) => {
      const clean = printable(text);
      expect(clean).not.toMatch(/\p{Cc}/u);
      expect(clean.length).toBeLessThanOrEqual(400);
    }),
  );
});
