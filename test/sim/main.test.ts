// The program: what it prints and how it ends.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));

function sim(...args: string[]): { code: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8' });
  return { code: status, out: stdout, err: stderr };
}

test('one seed gives the same line of figures each time', () => {
  const first = sim('--seed', '3', '--json');
  expect(first.code).toBe(0);
  expect(JSON.parse(first.out)).toMatchObject({ seed: 3, violations: [] });
  expect(sim('--seed', '3', '--json').out).toBe(first.out);
});

test('a campaign tells seeds, events, hours and faults', () => {
  const { code, out } = sim('--seeds', '1..3', '--twice', '100');
  expect(code).toBe(0);
  expect(out).toMatch(/^3 seeds, 3 of them twice/);
  expect(out).toMatch(/events: [\d,]+ a second/);
  expect(out).toMatch(/simulated hours/);
  expect(out).toMatch(/frame lost: /);
});

test('a story names the scenario first', () => {
  const { out } = sim('--seed', '3', '--story', '--lines', '5');
  expect(out).toMatch(/^seed 3: \d+ validators with powers/);
  expect(out).toMatch(/nothing violated\n$/);
});

test('a flag that makes no sense is refused with the usage', () => {
  const { code, err } = sim('--seed', 'x');
  expect(code).toBe(2);
  expect(err).toMatch(/--seed: "x" is no whole number.*\n\nnpm run sim/);
});
