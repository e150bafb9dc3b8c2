// A process that writes to a piece log until it is killed. It tells on stdout when an operation starts and when it
// is confirmed, each line with one system call, so that what the parent has read is what happened before the kill.
// Arguments: folder, seed.

import { writeSync } from 'node:fs';
import { systemClock } from '../../../src/runtime/clock.ts';
import { openPieceLog } from '../../../src/runtime/piece-log/log.ts';
import { seededChance } from '../simulated-disk.ts';
import { KEYS, keyOf, LOG_OPTIONS, payloadOf } from './campaign.ts';

const WRITERS = 8;
const [folder, seed] = [process.argv[2]!, Number(process.argv[3])];
const tell = (line: string): void => void writeSync(1, `${line}\n`);

const { log } = await openPieceLog({ ...LOG_OPTIONS, folder, clock: systemClock });
tell('open');

/** Each writer has keys of its own, so the operations on a key never overlap. */
async function write(writer: number): Promise<void> {
  const chance = seededChance(seed * WRITERS + writer);
  for (let step = 0; ; step++) {
    const key = writer + WRITERS * Math.floor(chance() * (KEYS / WRITERS));
    const stamp = seed * 1_000_000 + step * WRITERS + writer;
    if (chance() < 0.25) {
      tell(`start ${key} 0`);
      await log.remove([keyOf(key)]);
      tell(`done ${key} 0`);
    } else {
      tell(`start ${key} ${stamp}`);
      await log.put({
        key: keyOf(key),
        meta: new TextEncoder().encode(String(stamp)),
        payload: payloadOf(stamp),
      });
      tell(`done ${key} ${stamp}`);
    }
  }
}

await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)));
