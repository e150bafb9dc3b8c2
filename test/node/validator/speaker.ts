// A validator without an engine that logs, signs and speaks until it is killed: for each round an input into the log, a sync, a
// prevote and a precommit. What leaves it is a line on stdout, written with one system call, so that what the parent has
// read is what had left before the kill. After a start it first tries to contradict itself. Arguments: folder, seed.

import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { StoreError } from '../../../src/base/errors.ts';
import type { NetworkId } from '../../../src/base/ids.ts';
import type { BlockId, Input, UnsignedMessage, VoteKind } from '../../../src/consensus/types.ts';
import { validatorSet } from '../../../src/consensus/validator-set.ts';
import { openSigner } from '../../../src/node/validator/signer-file.ts';
import { openWal } from '../../../src/node/validator/wal-file.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { systemRandom } from '../../../src/runtime/random.ts';
import { seededChance } from '../../runtime/simulated-disk.ts';

const ROUNDS = 6;
const network = new Uint8Array(32).fill(1) as NetworkId;
const [A, B] = ['aa'.repeat(32) as BlockId, 'bb'.repeat(32) as BlockId];
const [folder, seed] = [process.argv[2]!, Number(process.argv[3])];
const chance = seededChance(seed);
const tell = (line: string): void => void writeSync(1, `${line}\n`);

const { signer, node } = await openSigner({
  folder: join(folder, 'signer'),
  network,
  clock: systemClock,
  listenMs: 1,
});
const { wal, inputs } = await openWal({ folder: join(folder, 'wal'), network, node, random: systemRandom });
tell('open');

function must(error: StoreError | undefined): void {
  if (error !== undefined) throw error;
}

async function speak(kind: VoteKind, height: number, round: number, blockId: BlockId): Promise<void> {
  const message: UnsignedMessage = { kind, height, round, blockId, validRound: -1, validator: 0 };
  const result = await new Promise<unknown>((done) => signer.sign(message, done));
  if (!(result instanceof StoreError)) tell(`${kind} ${height} ${round} ${blockId}`);
  else if (result.code !== 'ALREADY_EXISTS') throw result;
}

async function begin(height: number): Promise<void> {
  const validators = validatorSet([{ node, power: 1n }]);
  const start = { height, validators, proposers: { firstHeight: 1, slots: [0] }, self: 0 };
  must(await new Promise((done) => wal.startHeight(start, done)));
}

function lastRound(logged: readonly Input[]): number {
  const last = logged.at(-1);
  return last?.kind === 'value' ? last.round : -1;
}

let height = inputs[0]?.kind === 'start-height' ? inputs[0].start.height : 0;
for (const round of [lastRound(inputs) - 1, lastRound(inputs)]) {
  if (round < 0) continue;
  for (const kind of ['precommit', 'prevote', 'precommit'] as const)
    await speak(kind, height, round, chance() < 0.5 ? A : B);
}
for (let round = lastRound(inputs) + 1; ; round++) {
  if (height === 0 || round === ROUNDS) {
    await begin(++height);
    round = 0;
  }
  const blockId = chance() < 0.5 ? A : B;
  wal.append({ kind: 'value', height, round, blockId });
  must(await new Promise((done) => wal.sync(done)));
  await speak('prevote', height, round, blockId);
  await speak('precommit', height, round, blockId);
}
