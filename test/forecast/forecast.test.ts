import { expect, test } from 'vitest';
import { durabilityOf, expectedRepairs, lossRatePerYear } from '../../src/client/durability.ts';
import { DAY_MS, Forecast, type ForecastOptions } from '../../src/forecast/forecast.ts';
import { repairThreshold } from '../../src/replication/code.ts';
import { nativeSha256 } from '../../src/runtime/crypto.ts';
import { DEFAULT_AUDIT } from '../../src/shards/audit-rules.ts';

const CHURN = lossRatePerYear(0.1, 1 / 12);
const BASE: ForecastOptions = {
  seed: 7,
  nodes: 30,
  segments: 300,
  code: { k: 4, n: 12 },
  segmentLength: 16 * 2 ** 20,
  deathsPerYear: CHURN,
  outagesPerYear: 0,
  outageMs: 3 * 3600 * 1000,
  rotsPerYear: 0,
  rotShare: 0.01,
  isRebalanced: false,
  joinAfterMs: DAY_MS,
  uplinkPerSecond: 12.5e6,
  audit: DEFAULT_AUDIT,
};

function forecast(options: Partial<ForecastOptions>, days = 365): Forecast {
  const made = new Forecast({ ...BASE, ...options }, nativeSha256);
  while (made.place(100));
  for (let day = 1; day <= days; day++) made.advance(day * DAY_MS);
  return made;
}

/** Counts pieces anew, segment by segment, as the typed arrays should have them. */
function expectSound(made: Forecast): void {
  const { table, fleet, damage } = made;
  for (let segment = 0; segment < table.count; segment++) {
    let [alive, intact] = [0, 0];
    const holders = new Set<number>();
    for (let piece = 0; piece < table.code.n; piece++) {
      const node = fleet.nodes[table.holder(segment, piece)]!;
      holders.add(node.index);
      const isMissing = node.view === 'lost' || node.view === 'gone' || damage.isKnown(segment, piece);
      if (!isMissing) alive += 1;
      if (node.hasDisk && !damage.isThere(segment, piece)) intact += 1;
    }
    expect([segment, table.alive[segment], table.intact[segment]]).toEqual([segment, alive, intact]);
    expect(holders.size).toBe(table.code.n);
  }
}

test('nothing happens to a network that loses no node', () => {
  const made = forecast({ deathsPerYear: 0 });
  expect([made.tally.repairs, made.tally.lost, made.tally.movedBytes]).toEqual([0, 0, 0]);
  expect(made.intactCounts()[12]).toBe(300);
  expectSound(made);
});

test('ten percent a month for a year: nothing is lost, and the traffic is within a fifth of the model', () => {
  const made = forecast({ nodes: 40, segments: 1000 });
  expect(made.tally.lost).toBe(0);
  expect(made.tally.intactMin).toBeGreaterThanOrEqual(5);
  expectSound(made);
  const { code } = BASE;
  const repairHours = 4 + made.tally.repairMs / made.tally.repairs / 3_600_000;
  const lossesPerNodeYear = made.tally.deaths / made.nodeYears();
  const input = { code, repairAt: repairThreshold(code), lossesPerNodeYear, repairHours };
  const { repairs, pieces } = expectedRepairs(input, 365 / 365.25);
  const model = 1000 * (repairs * (code.k - 1) + pieces) * 4 * 2 ** 20;
  expect(Math.abs(made.tally.movedBytes / model - 1)).toBeLessThan(0.2);
});

test('the same seed gives the same run, incidents and all, and another seed another', () => {
  const options = { code: { k: 2, n: 4 }, deathsPerYear: 40, outagesPerYear: 50, rotsPerYear: 20 };
  const [first, second, other] = [
    forecast(options, 40),
    forecast(options, 40),
    forecast({ ...options, seed: 8 }, 40),
  ];
  expect(first.tally.lost).toBeGreaterThan(0);
  expect(first.tally).toEqual(second.tally);
  expect(first.tally.incidents).not.toEqual(other.tally.incidents);
  expectSound(first);
});

test('segments are lost about as often as the model says where that is often, and not more often', () => {
  const code = { k: 2, n: 4 };
  const made = forecast({ code, nodes: 30, segments: 1500, deathsPerYear: 60 }, 40);
  const repairHours = 4 + made.tally.repairMs / made.tally.repairs / 3_600_000;
  const lossesPerNodeYear = made.tally.deaths / made.nodeYears();
  const model =
    durabilityOf({ code, repairAt: 3, lossesPerNodeYear, repairHours }).yearlyLoss * (40 / 365.25);
  const observed = made.tally.lost / 1500;
  // The model waits for an exponential time; a wait of fixed length lets about half as many losses in.
  expect(observed).toBeGreaterThan(model / 6);
  expect(observed).toBeLessThan(model * 1.5);
});

test('when a third of the nodes goes within a minute, what still can be is repaired, in a storm the thinnest first', () => {
  const made = forecast({ deathsPerYear: 0, segments: 1000, disaster: { share: 0.3, atMs: DAY_MS } }, 30);
  const { tally } = made;
  expect([tally.deaths, tally.storms]).toEqual([9, 1]);
  expect(tally.incidents.map(({ kind }) => kind).slice(0, 2)).toEqual(['disaster', 'storm']);
  // Whoever has k pieces is above the threshold again.
  for (const intact of made.table.intact) expect(intact < 4 || intact > 8).toBe(true);
  expectSound(made);
});

test('nodes that are away for less than four hours move nothing, and their pieces count when they are back', () => {
  const made = forecast({ deathsPerYear: 0, outagesPerYear: 100, outageMs: 1000 }, 60);
  expect(made.tally.outages).toBeGreaterThan(100);
  expect(made.tally.movedBytes).toBe(0);
  expectSound(made);
});

test('nodes that stay away are replaced, and what they bring back is dropped or kept by margin', () => {
  const made = forecast(
    { code: { k: 2, n: 4 }, deathsPerYear: 0, outagesPerYear: 50, outageMs: 8 * 3600 * 1000 },
    90,
  );
  const { returned, repairs, lost } = made.tally;
  expect(repairs).toBeGreaterThan(0);
  expect(returned.drop).toBeGreaterThan(0);
  expect(lost).toBe(0);
  expectSound(made);
});

test('pieces that rot unseen are found by the draws of audits as soon as computed, and made again', () => {
  const made = forecast({ nodes: 12, segments: 3000, deathsPerYear: 0, rotsPerYear: 12 }, 60);
  const { rots, rotsFound, rotHiddenMs, rotten } = made.tally;
  expect(rots).toBeGreaterThan(10);
  expect(rotsFound).toBeGreaterThanOrEqual(rots - 2);
  expect(rotten).toBeGreaterThan(rots * 25);
  // Of 32 leaves one at least is of the hundredth with chance 27.5 %: 3.6 rounds on average, the first after half of one.
  const rounds = rotHiddenMs / rotsFound / DEFAULT_AUDIT.roundMs;
  expect(rounds).toBeGreaterThan(1.2);
  expect(rounds).toBeLessThan(6);
  expectSound(made);
});

test('with rebalancing a node that joins gets its share, without it only what is repaired', () => {
  const joined = (isRebalanced: boolean): number => {
    const made = forecast(
      {
        nodes: 12,
        code: { k: 2, n: 4 },
        segments: 600,
        deathsPerYear: 0,
        disaster: { share: 0.09, atMs: DAY_MS },
        isRebalanced,
      },
      12,
    );
    expectSound(made);
    expect(made.fleet.nodes.length).toBe(13);
    return made.table.holders.filter((node) => node === 12).length;
  };
  // 2400 pieces over 12 nodes: 200 each; the lost node's were made again before the newcomer was there.
  expect(joined(false)).toBeLessThan(40);
  expect(joined(true)).toBeGreaterThan(140);
});
