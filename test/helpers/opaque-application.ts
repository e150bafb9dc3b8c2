// An application without a ledger: blocks of random bytes behind their height and the time they were made. It keeps them as the
// port asks: durable when it says so, and decisions for whoever is behind.
//
//     file    = records
//     record  = u32 payload length | u32 CRC of the rest | u8 kind: 1 block, 2 decision | u64 height | payload
//     payload = the block, or the commit certificate of the block before it with its id

import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { concat, toHex, uint32 } from '../../src/base/bytes.ts';
import { digest } from '../../src/base/hash.ts';
import type { NodeId } from '../../src/base/ids.ts';
import type { Digest } from '../../src/base/ids.ts';
import { decodeMessage, encodeMessage } from '../../src/consensus/messages.ts';
import { proposerSchedule } from '../../src/consensus/proposer.ts';
import type { BlockId, HeightStart } from '../../src/consensus/types.ts';
import { indexOf, validatorSet } from '../../src/consensus/validator-set.ts';
import type { Decision } from '../../src/node/validator/host-ports.ts';
import type { ValidatorApplication } from '../../src/node/validator/validator.ts';
import { AppendFile } from '../../src/runtime/append-file.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { nativeSha256 } from '../../src/runtime/crypto.ts';
import { type Files, systemFiles } from '../../src/runtime/files.ts';
import { systemRandom } from '../../src/runtime/random.ts';

export const BLOCK_HEAD_LENGTH = 16;
const RECORD_HEAD_LENGTH = 8;
const BLOCK = 1;
const DECISION = 2;
/** Decisions in memory, the newest; older ones are not given any more. */
const DECISIONS_HELD = 4096;
const BLOCKS_HELD_BYTES = 64 << 20;

export interface OpaqueOptions {
  readonly folder: string;
  readonly self: NodeId;
  readonly validators: readonly NodeId[];
  readonly blockLength: number;
  /** Time between a decision and the next height. */
  readonly intervalMs: number;
  readonly files?: Files;
  /** Told as soon as a height is decided. */
  readonly onDecision?: (decided: DecidedBlock) => void;
}

export interface DecidedBlock {
  readonly height: number;
  readonly blockId: BlockId;
  readonly round: number;
  /** From the making of the block to its decision here. */
  readonly latencyMs: number;
}

/** Milliseconds that processes of one machine share, finer than the wall clock tells. */
export const machineNow = (): number => performance.timeOrigin + performance.now();

/** The id of a block here is a digest of all of it. */
export function blockIdOf(block: Uint8Array): BlockId {
  return toHex(digest('block', [block], nativeSha256)) as BlockId;
}

export async function openOpaqueApplication(options: OpaqueOptions): Promise<OpaqueApplication> {
  const path = join(options.folder, 'chain');
  const bytes = await readFile(path).catch(async () => {
    await writeFile(path, '', { mode: 0o600 });
    return Buffer.alloc(0);
  });
  const files = options.files ?? systemFiles;
  const file = await files.open(path, 'write');
  const application = new OpaqueApplication(options);
  const length = application.load(new Uint8Array(bytes));
  await file.truncate(length);
  await file.sync();
  application.writeTo(new AppendFile(file, length, path));
  return application;
}

export class OpaqueApplication implements ValidatorApplication {
  readonly #options: OpaqueOptions;
  readonly #start: Omit<HeightStart, 'height'>;
  /** Of the height under way, and of decisions that are still given. */
  readonly #blocks = new Map<string, Uint8Array>();
  readonly #decisions = new Map<number, { readonly decision: Decision; readonly key: string }>();
  #candidates: string[] = [];
  #heldBytes = 0;
  #next = 1;
  #log: AppendFile | undefined;

  constructor(options: OpaqueOptions) {
    this.#options = options;
    const validators = validatorSet(options.validators.map((node) => ({ node, power: 1n })));
    const proposers = proposerSchedule(validators, new Uint8Array(32) as Digest, 1);
    this.#start = { validators, proposers, self: indexOf(validators, options.self) };
  }

  blockId(block: Uint8Array): BlockId {
    return blockIdOf(block);
  }

  /** Its heights begin by the clock alone. */
  heard(): void {}

  /** What a log holds; returns the length of its intact part. */
  load(bytes: Uint8Array): number {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let at = 0;
    while (at + RECORD_HEAD_LENGTH + 9 <= bytes.length) {
      const end = at + RECORD_HEAD_LENGTH + 9 + view.getUint32(at);
      if (end > bytes.length) break;
      const rest = bytes.subarray(at + RECORD_HEAD_LENGTH, end);
      if (crc32(rest) !== view.getUint32(at + 4)) break;
      const height = Number(view.getBigUint64(at + RECORD_HEAD_LENGTH + 1));
      this.#replay(rest[0]!, height, rest.slice(9));
      at = end;
    }
    return at;
  }

  writeTo(log: AppendFile): void {
    this.#log = log;
  }

  async close(): Promise<void> {
    await this.#log?.close();
  }

  next(): HeightStart {
    return { ...this.#start, height: this.#next };
  }

  startOf(): Omit<HeightStart, 'height'> {
    return this.#start;
  }

  requestValue(height: number, _round: number, done: (block: Uint8Array) => void): void {
    const block = new Uint8Array(Math.max(BLOCK_HEAD_LENGTH + 16, this.#options.blockLength));
    const view = new DataView(block.buffer);
    view.setBigUint64(0, BigInt(height));
    view.setFloat64(8, machineNow());
    // Random enough to be a block of its own; filling a megabyte would measure the generator.
    block.set(systemRandom.bytes(16), BLOCK_HEAD_LENGTH);
    this.#keep(height, blockIdOf(block), block, () => done(block));
  }

  judge(height: number, blockId: BlockId, block: Uint8Array, done: (isValid: boolean) => void): void {
    const isValid = block.length >= BLOCK_HEAD_LENGTH && heightOfBlock(block) === height;
    if (!isValid) done(false);
    else this.#keep(height, blockId, block, () => done(true));
  }

  held(height: number, blockId: BlockId, done: (block: Uint8Array | undefined) => void): void {
    const decided = this.#decisions.get(height)?.decision;
    if (decided?.certificate.blockId === blockId) done(decided.block);
    else done(this.#blocks.get(keyOf(height, blockId)));
  }

  decided(height: number, decision: Decision, done: (next: HeightStart) => void): void {
    const { certificate, block } = decision;
    const { blockId, round } = certificate;
    if (height >= this.#next) {
      const latencyMs = machineNow() - madeAt(block);
      this.#options.onDecision?.({ height, blockId, round, latencyMs });
      if (!this.#blocks.has(keyOf(height, blockId))) this.#append(BLOCK, height, block);
      this.#append(DECISION, height, encodeMessage(certificate));
      this.#remember(height, decision);
    }
    this.#log!.sync((error) => {
      if (error !== undefined) return;
      systemClock.timer(this.#options.intervalMs, () => done({ ...this.#start, height: height + 1 }));
    });
  }

  decision(height: number, done: (decision: Decision | undefined) => void): void {
    done(this.#decisions.get(height)?.decision);
  }

  #keep(height: number, blockId: BlockId, block: Uint8Array, done: () => void): void {
    const key = keyOf(height, blockId);
    if (!this.#blocks.has(key)) {
      this.#blocks.set(key, block);
      this.#candidates.push(key);
      this.#append(BLOCK, height, block);
    }
    this.#log!.sync((error) => {
      if (error === undefined) done();
    });
  }

  #append(kind: number, height: number, payload: Uint8Array): void {
    const head = new Uint8Array(9);
    head[0] = kind;
    new DataView(head.buffer).setBigUint64(1, BigInt(height));
    const rest = concat(head, payload);
    this.#log!.append(concat(uint32(payload.length), uint32(crc32(rest)), rest));
  }

  #replay(kind: number, height: number, payload: Uint8Array): void {
    if (kind === BLOCK) {
      const key = keyOf(height, blockIdOf(payload));
      this.#blocks.set(key, payload);
      this.#candidates.push(key);
      return;
    }
    const certificate = decodeMessage(payload);
    if (certificate.kind !== 'commit-certificate') return;
    const block = this.#blocks.get(keyOf(height, certificate.blockId));
    if (block !== undefined) this.#remember(height, { certificate, block });
  }

  /** The height is over; its other blocks go, and so do the oldest decisions. */
  #remember(height: number, decision: Decision): void {
    for (const key of this.#candidates) this.#blocks.delete(key);
    this.#candidates = [];
    this.#decisions.set(height, { decision, key: keyOf(height, decision.certificate.blockId) });
    this.#heldBytes += decision.block.length;
    for (const [old, { decision: dropped }] of this.#decisions) {
      if (this.#decisions.size <= DECISIONS_HELD && this.#heldBytes <= BLOCKS_HELD_BYTES) break;
      this.#decisions.delete(old);
      this.#heldBytes -= dropped.block.length;
    }
    this.#next = height + 1;
  }
}

const keyOf = (height: number, blockId: BlockId): string => `${height} ${blockId}`;

function heightOfBlock(block: Uint8Array): number {
  return Number(new DataView(block.buffer, block.byteOffset).getBigUint64(0));
}

function madeAt(block: Uint8Array): number {
  return new DataView(block.buffer, block.byteOffset).getFloat64(8);
}

/** The file of an application that ended, as it is found: heights and the ids decided. */
export async function readDecisions(folder: string): Promise<readonly string[]> {
  const file = await open(join(folder, 'chain'), 'r');
  try {
    const nobody = new Uint8Array(32) as NodeId;
    const options = { folder, self: nobody, validators: [nobody], blockLength: 0, intervalMs: 0 };
    const application = new OpaqueApplication(options);
    application.load(new Uint8Array(await file.readFile()));
    const ids: string[] = [];
    for (let height = 1; height < application.next().height; height++) {
      application.decision(height, (decision) => ids.push(decision?.certificate.blockId ?? ''));
    }
    return ids;
  } finally {
    await file.close();
  }
}
