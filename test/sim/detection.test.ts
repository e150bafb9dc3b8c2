import { expect, test } from 'vitest';
import {
  bentSurvival,
  CHOICES,
  detect,
  detectionLines,
  roundSurvival,
  roundsUntil,
  SHARES,
} from './detection.ts';

test('nodes that drop data are caught about as soon as computed, however they choose', () => {
  const results = detect(1, 40);
  expect(results.length).toBe(CHOICES.length * SHARES.length);
  for (const { computed, observed } of results) {
    // Of 40 nodes, the slowest stands for 99 %.
    expect(observed[0]).toBeLessThanOrEqual(2 * computed[0] + 1);
    expect(observed[1]).toBeLessThanOrEqual(2 * computed[1] + 2);
    expect(4 * observed[1]).toBeGreaterThanOrEqual(computed[1]);
  }
  expect(detectionLines(results).length).toBeGreaterThan(results.length);
});

test('the same seeds catch in the same rounds', () => {
  expect(detect(7, 9)).toEqual(detect(7, 9));
});

test('a share is missed by each leaf that is asked for, and what lies together is missed more often', () => {
  const params = { leaves: 32, sweepRounds: 12_960 };
  expect(roundSurvival(0.01, 0, false, params)).toBeCloseTo(Math.exp(-0.32), 10);
  const together = roundSurvival(0.01, 0, true, params);
  expect(together).toBeGreaterThan(Math.exp(-0.32));
  // Windows of a quarter piece: at worst 13 % more rounds than if every leaf were drawn alone.
  expect(Math.log(together)).toBeLessThan(-0.32 / 1.14);
  expect(roundSurvival(0.01, 12_960, true, params)).toBeCloseTo(together / Math.E, 10);
  expect(roundSurvival(1, 0, false, params)).toBeLessThan(1e-13);
});

test('rounds are counted until the chance is reached', () => {
  expect(roundsUntil(0.5, 0.5)).toBe(1);
  expect(roundsUntil(0.75, 0.5)).toBe(2);
  expect(roundsUntil(0.99, Math.exp(-0.32))).toBe(15);
  expect(roundsUntil(0.99, 0)).toBe(1);
});

test('a choice of seeds helps, and less than the share of turns', () => {
  expect(bentSurvival(0.7, 0)).toBe(0.7);
  expect(bentSurvival(0.7, 1 / 3)).toBeGreaterThan(0.7);
  expect(bentSurvival(0.7, 1 / 3)).toBeLessThan(0.7 + (1 / 3) * 0.3);
  expect(bentSurvival(0, 1 / 3)).toBe(0);
});
