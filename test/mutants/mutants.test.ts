// The whole hunt is `npm run mutants`. Here: that every bug still fits the sources, and that the hunt can tell a found bug from a
// lost one.

import { expect, test } from 'vitest';
import { CONSENSUS_MUTANTS } from './consensus.ts';
import { edited, hunt, problemOf } from './workshop.ts';

test('every seeded bug fits the sources as they are, and its checkers are there', () => {
  expect(CONSENSUS_MUTANTS.map(problemOf).filter((problem) => problem !== undefined)).toEqual([]);
});

test('there are at least 24 of them, each with a name of its own and with a checker', () => {
  const names = new Set(CONSENSUS_MUTANTS.map(({ name }) => name));
  expect(names.size).toBe(CONSENSUS_MUTANTS.length);
  expect(names.size).toBeGreaterThanOrEqual(24);
  expect(CONSENSUS_MUTANTS.filter(({ killers }) => killers.length === 0)).toEqual([]);
});

test('a checker that is not there is named', () => {
  const killers = [{ name: 'unit', tests: ['test/nowhere.test.ts'] }] as const;
  expect(problemOf({ name: 'x', edits: [], killers })).toBe('x: there is no test/nowhere.test.ts');
});

test('an edit whose passage is missing or stands twice is refused', () => {
  const edit = { file: 'x.ts', find: 'a', replace: 'b' };
  expect(() => edited('c', edit)).toThrow('0 times');
  expect(() => edited('a a', edit)).toThrow('2 times');
  expect(edited('c a', edit)).toBe('c b');
});

test('a bug is found by the tests that look for it, and lost by those that do not', async () => {
  const file = 'src/base/draw.ts';
  const edits = CONSENSUS_MUTANTS.find(({ name }) => name === 'biased-draw')!.edits;
  const by = (test: string) => hunt({ name: 'x', edits, killers: [{ name: 'unit', tests: [test] }] });
  expect(edits[0]!.file).toBe(file);
  expect((await by('test/base/draw.test.ts')).killer).toBe('unit');
  expect((await by('test/consensus/binary.test.ts')).killer).toBeUndefined();
}, 120_000);
