import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import type { NetworkId } from '../../../src/base/ids.ts';
import type { Input } from '../../../src/consensus/types.ts';
import { openSigner } from '../../../src/node/validator/signer-file.ts';
import { openWal } from '../../../src/node/validator/wal-file.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { systemRandom } from '../../../src/runtime/random.ts';
import { seededChance } from '../../runtime/simulated-disk.ts';

const KILLS = 21;
const network = new Uint8Array(32).fill(1) as NetworkId;

interface Said {
  readonly kind: string;
  readonly height: number;
  readonly round: number;
  readonly blockId: string;
}

/** What a speaker said before it was killed, `lifeMs` after it had opened its files. */
async function liveAndDie(folder: string, seed: number, lifeMs: number): Promise<Said[]> {
  const script = fileURLToPath(new URL('./speaker.ts', import.meta.url));
  const child = spawn(process.execPath, [script, folder, String(seed)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [said, complaint] = ['', ''];
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
  expect(child.signalCode, complaint).toBe('SIGKILL');
  // The last line may be cut.
  return said
    .split('\n')
    .slice(1, -1)
    .map((line) => {
      const [kind, height, round, blockId] = line.split(' ');
      return { kind: kind!, height: Number(height), round: Number(round), blockId: blockId! };
    });
}

const rankOf = ({ height, round, kind }: Omit<Said, 'blockId'>): number =>
  height * 1000 + round * 10 + (kind === 'precommit' ? 1 : 0);

/** Of the last precommit that the log allows. */
function lastPlace(inputs: readonly Input[]): number {
  const [first, last] = [inputs[0]!, inputs.at(-1)!];
  if (last.kind === 'value') return rankOf({ ...last, kind: 'precommit' });
  return first.kind === 'start-height' ? first.start.height * 1000 : -1;
}

test('a validator killed again and again never contradicts itself, and log and guard know all that left it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-speaker-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const chance = seededChance(7);
  const texts = new Map<number, string>();
  let newest = -1;
  for (let kill = 0; kill < KILLS; kill++) {
    for (const said of await liveAndDie(folder, kill, chance() * 40)) {
      const place = rankOf(said);
      expect(texts.get(place) ?? said.blockId, `${said.kind} ${said.height}/${said.round}`).toBe(
        said.blockId,
      );
      texts.set(place, said.blockId);
      newest = Math.max(newest, place);
    }
    const { signer, node, last } = await openSigner({
      folder: join(folder, 'signer'),
      network,
      clock: systemClock,
    });
    await signer.close();
    const { wal, inputs } = await openWal({
      folder: join(folder, 'wal'),
      network,
      node,
      random: systemRandom,
    });
    await wal.close();
    if (last === undefined) continue;
    // The guard knows what left, and the log knows what the guard knows.
    expect(rankOf(last)).toBeGreaterThanOrEqual(newest);
    expect(lastPlace(inputs)).toBeGreaterThanOrEqual(rankOf(last));
  }
  expect(texts.size).toBeGreaterThan(KILLS);
});
