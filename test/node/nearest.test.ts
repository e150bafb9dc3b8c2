import { expect, test } from 'vitest';
import { nearest } from '../../src/node/nearest.ts';

const known = ['host', 'controlPort', 'bulkPort', 'logLevel'];

test.each([
  ['hots', 'host'],
  ['HOST', 'host'],
  ['controlport', 'controlPort'],
  ['contolPort', 'controlPort'],
  ['log-level', 'logLevel'],
])('%s was meant as %s', (word, meant) => {
  expect(nearest(word, known)).toBe(meant);
});

test.each(['', 'color', 'x'.repeat(10_000)])('%s resembles nothing', (word) => {
  expect(nearest(word, known)).toBeUndefined();
});

test('where nothing is known, nothing is near', () => {
  expect(nearest('host', [])).toBeUndefined();
});
