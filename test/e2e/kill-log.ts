// The long form of the kill test of the piece log.
//   node test/e2e/kill-log.ts [kills, 500] [seed, from the clock]
// Prints a line per 10 kills and the seed; ends with exit code 1 at the first lost or wrong byte.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCampaign } from '../runtime/crash/campaign.ts';

const kills = Number(process.argv[2] ?? process.env['HOLDFAST_KILLS'] ?? 500);
const seed = Number(process.argv[3] ?? Date.now() % 1000);
const folder = await mkdtemp(join(tmpdir(), 'holdfast-kill-'));
console.log(`${kills} kills, seed ${seed}; repeat with: node test/e2e/kill-log.ts ${kills} ${seed}`);
try {
  const { confirmed, tornBytes, recoveries } = await runCampaign({
    folder: join(folder, 'log'),
    kills,
    seed,
    lifeMsMax: 400,
    onRound: (round, soFar) => {
      if (round % 10 === 0) console.log(`${round} kills, ${soFar} confirmed operations, 0 lost`);
    },
  });
  console.log(
    `${kills} kills, ${recoveries} recoveries, ${confirmed} confirmed operations, ${tornBytes} torn bytes, 0 lost`,
  );
} finally {
  await rm(folder, { recursive: true, force: true });
}
