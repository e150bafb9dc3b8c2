// The application of the simulated chain. A block names its height, its parent and its maker, and says whether it is valid;
// everything else about it is opaque. What the application keeps stands on the machine's disk and outlives the process.

import { fromHex, toHex } from '../../src/base/bytes.ts';
import type { StoreError } from '../../src/base/errors.ts';
import { digest } from '../../src/base/hash.ts';
import type { BlockId, HeightStart, ValidatorIndex } from '../../src/consensus/types.ts';
import type { ApplicationPort, Decision } from '../../src/node/validator/host-ports.ts';
import { nativeSha256 } from '../../src/runtime/crypto.ts';
import type { SimDisk } from './disk.ts';
import type { SeededRandom } from './random.ts';

// u48 height | parent id 32 | u16 maker | u32 serial | u8 is valid | filler
const HEIGHT_AT = 0;
const PARENT_AT = 6;
const MAKER_AT = 38;
const SERIAL_AT = 40;
const VALID_AT = 44;
const HEAD_LENGTH = 45;

export const GENESIS: BlockId = '00'.repeat(32) as BlockId;

export interface SimBlock {
  readonly height: number;
  readonly parent: BlockId;
  readonly maker: number;
  readonly serial: number;
  readonly isValid: boolean;
}

export function encodeBlock(block: SimBlock, fillerLength: number): Uint8Array {
  const bytes = new Uint8Array(HEAD_LENGTH + fillerLength);
  const view = new DataView(bytes.buffer);
  view.setUint16(HEIGHT_AT, Math.floor(block.height / 2 ** 32));
  view.setUint32(HEIGHT_AT + 2, block.height >>> 0);
  bytes.set(fromHex(block.parent), PARENT_AT);
  view.setUint16(MAKER_AT, block.maker);
  view.setUint32(SERIAL_AT, block.serial);
  bytes[VALID_AT] = block.isValid ? 1 : 0;
  return bytes;
}

/** Undefined for bytes that are no block. */
export function decodeBlock(bytes: Uint8Array): SimBlock | undefined {
  return factsOf(bytes).content;
}

function contentOf(bytes: Uint8Array): SimBlock | undefined {
  if (bytes.length < HEAD_LENGTH) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return {
    height: view.getUint16(HEIGHT_AT) * 2 ** 32 + view.getUint32(HEIGHT_AT + 2),
    parent: toHex(bytes.subarray(PARENT_AT, MAKER_AT)) as BlockId,
    maker: view.getUint16(MAKER_AT),
    serial: view.getUint32(SERIAL_AT),
    isValid: bytes[VALID_AT] === 1,
  };
}

/** By identity of the bytes: a block goes by reference, so it is hashed and read once for all nodes. */
const facts = new WeakMap<Uint8Array, BlockFacts>();

interface BlockFacts {
  readonly id: BlockId;
  readonly content: SimBlock | undefined;
}

function factsOf(block: Uint8Array): BlockFacts {
  let found = facts.get(block);
  if (found === undefined) {
    const id = toHex(digest('block', [block], nativeSha256)) as BlockId;
    found = { id, content: contentOf(block) };
    facts.set(block, found);
  }
  return found;
}

export const blockIdOf = (block: Uint8Array): BlockId => factsOf(block).id;

/** Is the block one that may follow `parent` at `height`? */
export function isValidBlock(bytes: Uint8Array, height: number, parent: BlockId): boolean {
  const block = decodeBlock(bytes);
  return block !== undefined && block.isValid && block.height === height && block.parent === parent;
}

/** What an application asks of the world around it. */
export interface ApplicationWorld {
  readonly disk: SimDisk;
  readonly random: SeededRandom;
  /** Number of the process: the maker of its blocks. */
  readonly process: number;
  timer(delayMs: number, run: () => void): () => void;
  heightStart(height: number): HeightStart;
  /** The disk failed: the process cannot go on. */
  fail(error: StoreError): void;
  /** Asks the process of a validator for a block; `done` gets undefined when no answer came. */
  ask(
    holder: ValidatorIndex,
    height: number,
    blockId: BlockId,
    done: (block: Uint8Array | undefined) => void,
  ): void;
}

export interface ApplicationHabits {
  /** Longest time it takes to make or judge a block. */
  readonly delayMaxMs: number;
  /** Time between a decision and the next height. */
  readonly paceMs: number;
  readonly fillerLengthMax: number;
  /** Share of its own blocks that are invalid: a validator with such an application is faulty. */
  readonly invalidShare: number;
  /** Share of requests for a block that it leaves without an answer. */
  readonly barrenShare: number;
}

const DECIDED = 'application/decided';
const decisionKey = (height: number): string => `application/decision/${height}`;
/** Decisions that stay to be given to validators that are behind. */
const DECISIONS_KEPT = 2_000;

/** One life of the application; the next finds what this one stored durably. */
export class SimApplication implements ApplicationPort {
  readonly #world: ApplicationWorld;
  readonly #habits: ApplicationHabits;
  /** Blocks made or judged at the height under way: dropped when it is decided. */
  #kept: string[] = [];
  /** The last decision: looked up for every block. */
  #newest: { readonly height: number; readonly blockId: BlockId } | undefined;

  constructor(world: ApplicationWorld, habits: ApplicationHabits) {
    this.#world = world;
    this.#habits = habits;
  }

  /** The height after the last decision. */
  get nextHeight(): number {
    return ((this.#world.disk.get(DECIDED) as number | undefined) ?? 0) + 1;
  }

  next(): HeightStart {
    return this.#world.heightStart(this.nextHeight);
  }

  /** The parent of the block at `height`; undefined when that decision is not here yet. */
  parentOf(height: number): BlockId | undefined {
    if (height === 1) return GENESIS;
    if (this.#newest?.height === height - 1) return this.#newest.blockId;
    return this.#stored(height - 1)?.certificate.blockId;
  }

  requestValue(height: number, _round: number, done: (block: Uint8Array) => void): void {
    const { random, process } = this.#world;
    const parent = this.parentOf(height);
    if (parent === undefined || random.chance(this.#habits.barrenShare)) return;
    const isValid = !random.chance(this.#habits.invalidShare);
    const filler = random.below(this.#habits.fillerLengthMax + 1);
    const block = encodeBlock({ height, parent, maker: process, serial: random.word(), isValid }, filler);
    this.#later(() => this.#keep(blockIdOf(block), block, () => done(block)));
  }

  judge(height: number, blockId: BlockId, block: Uint8Array, done: (isValid: boolean) => void): void {
    this.#later(() => {
      const parent = this.parentOf(height);
      if (parent === undefined || !isValidBlock(block, height, parent)) done(false);
      else this.#keep(blockId, block, () => done(true));
    });
  }

  fetch(
    height: number,
    blockId: BlockId,
    holders: readonly ValidatorIndex[],
    done: (block: Uint8Array | undefined) => void,
  ): void {
    const own = this.held(height, blockId);
    if (own !== undefined || holders.length === 0) done(own);
    else this.#world.ask(this.#world.random.pick(holders), height, blockId, done);
  }

  /** What it has of a block, for itself and for whoever asks. */
  held(height: number, blockId: BlockId): Uint8Array | undefined {
    const decision = this.#stored(height);
    if (decision?.certificate.blockId === blockId) return decision.block;
    return this.#world.disk.get(blockId) as Uint8Array | undefined;
  }

  decided(height: number, decision: Decision, done: (next: HeightStart) => void): void {
    const { disk } = this.#world;
    const goOn = (): void => {
      this.#world.timer(this.#habits.paceMs, () => done(this.#world.heightStart(height + 1)));
    };
    if (height < this.nextHeight) {
      goOn();
      return;
    }
    // Between the two the height is still undecided here: the log gives the decision again after a restart.
    this.#put(decisionKey(height), decision, () => {
      this.#put(DECIDED, height, () => {
        for (const key of this.#kept) disk.remove(key);
        this.#kept = [];
        if (height > DECISIONS_KEPT) disk.remove(decisionKey(height - DECISIONS_KEPT));
        this.#newest = { height, blockId: decision.certificate.blockId };
        goOn();
      });
    });
  }

  decision(height: number, done: (decision: Decision | undefined) => void): void {
    done(height < this.nextHeight ? this.#stored(height) : undefined);
  }

  #stored(height: number): Decision | undefined {
    return this.#world.disk.get(decisionKey(height)) as Decision | undefined;
  }

  /** Under its id. */
  #keep(blockId: BlockId, block: Uint8Array, done: () => void): void {
    this.#put(blockId, block, () => {
      this.#kept.push(blockId);
      done();
    });
  }

  #put(key: string, value: unknown, done: () => void): void {
    this.#world.disk.put(key, value, (error) => {
      if (error === undefined) done();
      else this.#world.fail(error);
    });
  }

  #later(run: () => void): void {
    this.#world.timer(this.#world.random.unit() * this.#habits.delayMaxMs, run);
  }
}
