// The files of the demonstration: a large real one to store, digests to compare, and damage done to a log on disk.

import { createHash } from 'node:crypto';
import { createReadStream, existsSync, readdirSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const LENGTH_MIN = 100_000_000;
const FLIP_STEP = 16 * 1024;

/** A real file of over 100 MB: the Node program that npm installed, or the one that runs this. */
export function largeFile(): string {
  const name = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
  const file = process.platform === 'win32' ? 'node.exe' : 'node';
  const bundled = fileURLToPath(new URL(`../../node_modules/${name}/bin/${file}`, import.meta.url));
  const found = [bundled, process.execPath].find(
    (path) => existsSync(path) && statSync(path).size > LENGTH_MIN,
  );
  if (found === undefined) throw new Error('no file of over 100 MB is at hand: run "npm ci" first');
  return found;
}

export async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** Flips a byte in every 16 KiB of every log file under `folder`, beyond its first block. Returns how many. */
export async function flipBytes(folder: string): Promise<number> {
  let count = 0;
  for (const path of logFiles(folder)) {
    const file = await open(path, 'r+');
    try {
      const { size } = await file.stat();
      const byte = new Uint8Array(1);
      for (let offset = FLIP_STEP; offset < size; offset += FLIP_STEP) {
        await file.read(byte, 0, 1, offset);
        byte[0]! ^= 0xff;
        await file.write(byte, 0, 1, offset);
        count += 1;
      }
      await file.sync();
    } finally {
      await file.close();
    }
  }
  return count;
}

/** The data files of a piece log: everything large; the index beside them is left alone. */
function logFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => path.endsWith('.log') && !path.includes('index') && statSync(path).size > 1 << 20);
}
