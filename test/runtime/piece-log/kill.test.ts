import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runCampaign } from '../crash/campaign.ts';

test('a log whose process is killed again and again while it writes keeps what it confirmed', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-kill-'));
  try {
    const result = await runCampaign({ folder: join(folder, 'log'), kills: 8, seed: 1, lifeMsMax: 120 });
    expect(result.recoveries).toBeGreaterThan(0);
    expect(result.confirmed).toBeGreaterThan(0);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
