import { expect, test } from 'vitest';
import { ForecastRandom } from '../../src/forecast/random.ts';

const draws = (random: ForecastRandom): number[] => Array.from({ length: 5 }, () => random.below(1000));

test('a seed gives the same draws for ever, another seed or stream others', () => {
  expect(draws(new ForecastRandom(7, 1))).toMatchInlineSnapshot(`
    [
      880,
      41,
      378,
      753,
      481,
    ]
  `);
  expect(draws(new ForecastRandom(7, 1))).toEqual(draws(new ForecastRandom(7, 1)));
  expect(draws(new ForecastRandom(7, 1))).not.toEqual(draws(new ForecastRandom(7, 2)));
  expect(draws(new ForecastRandom(7, 1))).not.toEqual(draws(new ForecastRandom(7 + 2 ** 32, 1)));
});

test('waiting times have the mean of their rate, and what never comes is waited for without end', () => {
  const random = new ForecastRandom(1, 1);
  let sum = 0;
  for (let at = 0; at < 20_000; at++) sum += random.waiting(4);
  // 0.25 expected, standard deviation of the mean 0.0018.
  expect(Math.abs(sum / 20_000 - 0.25)).toBeLessThan(0.009);
  expect(random.waiting(0)).toBe(Number.POSITIVE_INFINITY);
});

test('integers below a bound are all reached, and evenly', () => {
  const random = new ForecastRandom(2, 1);
  const counts = Array.from({ length: 10 }, () => 0);
  for (let at = 0; at < 10_000; at++) counts[random.below(10)]! += 1;
  // 1000 expected of each, standard deviation 30.
  expect(Math.min(...counts)).toBeGreaterThan(850);
  expect(Math.max(...counts)).toBeLessThan(1150);
});
