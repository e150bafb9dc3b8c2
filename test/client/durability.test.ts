import { expect, test } from 'vitest';
import {
  durabilityOf,
  expectedRepairs,
  lossBeforeRepair,
  lossIfShareGoes,
  lossRatePerYear,
} from '../../src/client/durability.ts';
import type { Code } from '../../src/replication/code.ts';

const code = (text: string): Code => {
  const [k, n] = text.split('/').map(Number);
  return { k: k!, n: n! };
};

const TEN_PERCENT_A_MONTH = lossRatePerYear(0.1, 1 / 12);

/** Computed on their own, with 160 digits, before this code was there: nines per segment and year. */
test.each<[string, number, readonly (number | undefined)[]]>([
  ['1/3', 2, [7.6, undefined, 6.2, 5.2, 4.1]],
  ['2/4', 3, [undefined, 6.8, 5.6, 4.6, 3.5]],
  ['3/7', 6, [undefined, 12.3, 9.9, 8.0, 6.4]],
  ['4/8', 6, [9.4, undefined, 7.5, 6.0, 4.7]],
  ['4/10', 7, [12.3, 12.3, 9.9, 8.0, 6.4]],
  ['4/10', 9, [undefined, 17.4, 13.8, 11.0, 9.0]],
  ['4/12', 8, [15.2, 15.2, 12.2, 9.8, 8.0]],
  ['6/16', 13, [undefined, 22.3, 17.5, 13.8, 11.3]],
  ['10/20', 15, [16.0, undefined, 12.5, 9.7, 7.7]],
  ['10/30', 20, [28.1, 28.8, 22.2, 17.1, 14.0]],
  ['16/40', 28, [30.9, undefined, 24.0, 18.0, 14.5]],
  ['20/50', 35, [36.3, 37.5, 28.0, 20.6, 16.5]],
  ['29/80', 35, [16.1, undefined, 12.2, 9.0, 6.8]],
  ['29/80', 52, [50.2, undefined, 38.0, 27.1, 21.6]],
])('%s repaired at %i has the nines of the table', (text, repairAt, nines) => {
  const columns = [
    [0.08, 24],
    [0.25, 6],
    [0.25, 24],
    [0.25, 72],
    [TEN_PERCENT_A_MONTH, 24],
  ] as const;
  columns.forEach(([lossesPerNodeYear, repairHours], column) => {
    const wanted = nines[column];
    if (wanted === undefined) return;
    const found = durabilityOf({ code: code(text), repairAt, lossesPerNodeYear, repairHours });
    expect(Math.abs(found.nines - wanted), `${text} column ${column}: ${found.nines}`).toBeLessThan(0.11);
  });
});

test.each<[string, number, number, number]>([
  ['1/3', 2, 0.75, 1.5],
  ['2/4', 3, 1.0, 1.5],
  ['3/7', 6, 1.75, 2.3],
  ['4/10', 9, 2.5, 3.1],
  ['4/12', 8, 0.65, 1.3],
  ['10/30', 20, 0.63, 1.3],
  ['20/50', 35, 0.71, 1.2],
  ['29/80', 52, 0.58, 1.15],
])('%s repaired at %i has the repairs and the traffic of the table', (text, repairAt, repairs, traffic) => {
  const found = durabilityOf({ code: code(text), repairAt, lossesPerNodeYear: 0.25, repairHours: 24 });
  // The table leaves the time of repair out.
  expect(Math.abs(found.repairsPerYear / repairs - 1)).toBeLessThan(0.02);
  expect(Math.abs(found.trafficPerYear - traffic)).toBeLessThan(0.06);
});

/** Another table, in which the first loss triggers repair. Losses per year. */
test.each<[string, number, number, number, number]>([
  ['1/3', 2, 1, 48, 1.7e-4],
  ['1/3', 2, 1, 6, 2.8e-6],
  ['2/4', 3, 1, 48, 6.9e-4],
  ['3/6', 5, 1, 6, 1.1e-7],
  ['4/8', 7, 1, 48, 5.2e-6],
  ['4/8', 7, 365.25 / 90, 6, 1.5e-6],
  ['4/10', 9, 1, 48, 1.3e-8],
  ['4/10', 7, 1, 6, 5.4e-10],
  ['8/16', 15, 1, 48, 1.9e-9],
  ['10/20', 19, 1, 48, 6.9e-11],
])(
  '%s repaired at %i, %f losses a year, %i hours: %f',
  (text, repairAt, lossesPerNodeYear, repairHours, loss) => {
    const found = durabilityOf({ code: code(text), repairAt, lossesPerNodeYear, repairHours }).yearlyLoss;
    expect(found / loss).toBeGreaterThan(0.9);
    expect(found / loss).toBeLessThan(1.1);
  },
);

test.each<[string, number, number]>([
  ['1/3', 0.2, 8e-3],
  ['4/10', 0.2, 9e-4],
  ['4/10', 0.33, 2e-2],
  ['4/12', 0.2, 6e-5],
  ['10/30', 0.2, 4e-9],
  ['20/50', 0.2, 1e-10],
  ['20/50', 0.1, 4e-19],
])('%s is lost with the chance of the table when a share of %f goes at once', (text, share, chance) => {
  const found = lossIfShareGoes(code(text), share);
  expect(found / chance).toBeGreaterThan(0.6);
  expect(found / chance).toBeLessThan(1.5);
});

test('the chain agrees with one that is solved as a system of equations', () => {
  for (const [text, repairAt, rate, hours] of [
    ['2/4', 3, 5, 500],
    ['4/12', 8, 20, 300],
    ['3/7', 6, 2, 2000],
  ] as const) {
    const input = { code: code(text), repairAt, lossesPerNodeYear: rate, repairHours: hours };
    const found = -Math.log1p(-durabilityOf(input).yearlyLoss);
    expect(found * meanYearsToLoss(input)).toBeCloseTo(1, 8);
  }
});

/** Mean time to absorption by Gaussian elimination over all states. */
function meanYearsToLoss({
  code: { k, n },
  repairAt,
  lossesPerNodeYear,
  repairHours,
}: Parameters<typeof durabilityOf>[0]): number {
  const size = n - k + 1;
  const repairRate = (24 * 365.25) / repairHours;
  const rows = Array.from({ length: size }, (_, lost) => {
    const healthy = n - lost;
    const row = Array.from({ length: size + 1 }, () => 0);
    const down = healthy * lossesPerNodeYear;
    const up = healthy <= repairAt ? repairRate : 0;
    row[lost]! += down + up;
    if (lost + 1 < size) row[lost + 1]! -= down;
    row[0]! -= up;
    row[size] = 1;
    return row;
  });
  for (let at = 0; at < size; at++) {
    for (let other = 0; other < size; other++) {
      if (other === at) continue;
      const factor = rows[other]![at]! / rows[at]![at]!;
      for (let column = at; column <= size; column++) rows[other]![column]! -= factor * rows[at]![column]!;
    }
  }
  return rows[0]![size]! / rows[0]![0]!;
}

test('a segment that is whole has nothing to lose before it waits for repair, and one below k has lost', () => {
  const input = { code: { k: 4, n: 12 }, repairAt: 8, lossesPerNodeYear: 1, repairHours: 24 };
  expect(lossBeforeRepair(input, 3)).toBe(1);
  expect(lossBeforeRepair(input, 4)).toBeCloseTo(4 / (4 + 365.25), 12);
  expect(lossBeforeRepair(input, 12)).toBe(lossBeforeRepair(input, 8));
  expect(lossBeforeRepair(input, 5)).toBeLessThan(lossBeforeRepair(input, 4));
});

test('expected repairs of a young network are below, and those of an old one at, the long-run rate', () => {
  const input = {
    code: { k: 4, n: 12 },
    repairAt: 8,
    lossesPerNodeYear: TEN_PERCENT_A_MONTH,
    repairHours: 8,
  };
  const { repairsPerYear, piecesPerRepair } = durabilityOf(input);
  const year = expectedRepairs(input, 1);
  // Renewal theory: t / mean - (1 - variance / mean^2) / 2, with four exponential stages.
  const stages = [12, 11, 10, 9].map((healthy) => 1 / (healthy * TEN_PERCENT_A_MONTH));
  const mean = stages.reduce((sum, stage) => sum + stage, 0);
  const variance = stages.reduce((sum, stage) => sum + stage ** 2, 0);
  expect(Math.abs(year.repairs - (1 / mean - (1 - variance / mean ** 2) / 2))).toBeLessThan(0.03);
  const decade = expectedRepairs(input, 10);
  expect((decade.repairs - year.repairs) / 9 / repairsPerYear).toBeCloseTo(1, 2);
  expect(decade.pieces / decade.repairs).toBeCloseTo(piecesPerRepair, 2);
});

test('ten percent a month are 1.26 losses a year', () => {
  expect(TEN_PERCENT_A_MONTH).toBeCloseTo(1.264, 3);
  expect(lossRatePerYear(0, 1)).toBe(0);
});
