// Kills a writing process with SIGKILL again and again on one folder, and after each kill opens the log and compares
// it with what the process had told: what was confirmed is there with exact bytes or is gone, what was only started
// is whole or absent.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../../src/runtime/clock.ts';
import { type OpenReport, openPieceLog, type PieceLogOptions } from '../../../src/runtime/piece-log/log.ts';
import { seededChance } from '../simulated-disk.ts';

export const KEYS = 64;
/** Small files, so that a short run makes many and compacts. */
export const LOG_OPTIONS: Omit<PieceLogOptions, 'folder' | 'clock'> = {
  network: new Uint8Array(32).fill(1),
  node: new Uint8Array(32).fill(2),
  quotaBytes: 1e9,
  reserveBytes: 0,
  logFileLength: 1_000_000,
};

export function keyOf(key: number): Uint8Array {
  return new Uint8Array([0xfe, key]);
}

/** Length and bytes follow from the stamp: up to 40 KB. */
export function payloadOf(stamp: number): Uint8Array {
  const bytes = new Uint8Array((stamp * 7919) % 40_000);
  for (let at = 0; at < bytes.length; at++) bytes[at] = (stamp + at * 31 + (at >>> 8)) & 0xff;
  return bytes;
}

export interface Campaign {
  readonly folder: string;
  readonly kills: number;
  readonly seed: number;
  /** Longest life of a writer after it has opened the log, milliseconds. */
  readonly lifeMsMax: number;
  readonly onRound?: (round: number, confirmed: number, report: OpenReport) => void;
}

export interface CampaignResult {
  readonly confirmed: number;
  readonly tornBytes: number;
  readonly recoveries: number;
}

/** What a key may hold: stamps, 0 for nothing. The first is the last confirmed one. */
type Allowed = Map<number, number[]>;

/** Throws at the first key that holds what it must not. */
export async function runCampaign(campaign: Campaign): Promise<CampaignResult> {
  const chance = seededChance(campaign.seed);
  const allowed: Allowed = new Map(Array.from({ length: KEYS }, (_, key) => [key, [0]]));
  let [confirmed, tornBytes, recoveries] = [0, 0, 0];
  for (let round = 1; round <= campaign.kills; round++) {
    const writerSeed = (campaign.seed % 1000) * 10_000 + round;
    const lines = await liveAndDie(campaign.folder, writerSeed, chance() * campaign.lifeMsMax);
    confirmed += note(lines, allowed);
    const report = await verify(campaign.folder, allowed);
    tornBytes += report.tornBytes;
    if (report.start === 'recovered') recoveries++;
    campaign.onRound?.(round, confirmed, report);
  }
  return { confirmed, tornBytes, recoveries };
}

/** What the writer said before it was killed. */
async function liveAndDie(folder: string, seed: number, lifeMs: number): Promise<string[]> {
  const script = fileURLToPath(new URL('./writer.ts', import.meta.url));
  const child = spawn(process.execPath, [script, folder, String(seed)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  let complaint = '';
  const opened = new Promise<void>((resolve) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      if (said.startsWith('open\n')) resolve();
    });
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint += text;
  });
  const closed = once(child, 'close');
  await Promise.race([opened, closed]);
  await systemClock.sleep(lifeMs);
  child.kill('SIGKILL');
  await closed;
  if (child.signalCode !== 'SIGKILL') throw new Error(`the writer ended by itself: ${complaint}`);
  const lines = said.split('\n');
  // The last line may be cut.
  return lines.slice(1, -1);
}

/** Returns the number of confirmed operations. */
function note(lines: readonly string[], allowed: Allowed): number {
  let confirmed = 0;
  for (const line of lines) {
    const [what, key, stamp] = line.split(' ');
    if (what === 'start') allowed.get(Number(key))!.push(Number(stamp));
    else {
      allowed.set(Number(key), [Number(stamp)]);
      confirmed++;
    }
  }
  return confirmed;
}

/** Compares every key; what is found is what is allowed from now on. */
async function verify(folder: string, allowed: Allowed): Promise<OpenReport> {
  const { log, report } = await openPieceLog({ ...LOG_OPTIONS, folder, clock: systemClock });
  try {
    if (report.damagedCount > 0) throw new Error(`damage reported: ${JSON.stringify(report.damaged)}`);
    for (const [key, stamps] of allowed) {
      const stat = await log.stat(keyOf(key));
      const stamp = stat === undefined ? 0 : Number(new TextDecoder().decode(stat.meta));
      if (!stamps.includes(stamp))
        throw new Error(`key ${key} holds ${stamp}, allowed: ${stamps.join(', ')}`);
      if (stat !== undefined) {
        const payload = await log.read(keyOf(key), 0, stat.payloadLength);
        if (Buffer.compare(payload, payloadOf(stamp)) !== 0) throw new Error(`key ${key} holds wrong bytes`);
      }
      allowed.set(key, [stamp]);
    }
    return report;
  } finally {
    await log.close();
  }
}
