// The secrets behind a validator's reveals (`src/consensus/beacon.ts` has the rules), in one file of mode 0600, a line a chain, the
// oldest first:
//
//     holdfast-beacon-key <secret, 64 hex digits> <length of the chain> <checksum, 8 hex digits>
//
// The checksum is the first four bytes of SHA-256 over the text in front of it. A chain that ends is replaced by one of a fresh secret,
// never by one that could have been shown: what was revealed once is known to all.
//
// Invariants
//   A chain is on the disk before anybody hears of it.
//   The secret of a chain that the state still knows is not dropped.
//   A chain is computed when it is first asked for, then BEACON_CHAIN_LENGTH / BEACON_CHAIN_SPACING links of it are held.

import { dirname } from 'node:path';
import { fromHex, toHex, toUtf8 } from '../base/bytes.ts';
import { StoreError, toStoreError } from '../base/errors.ts';
import { DIGEST_LENGTH, type Digest, type Epoch } from '../base/ids.ts';
import { BEACON_CHAIN_LENGTH, BEACON_CHAIN_LENGTH_MAX, BEACON_CHAINS_KEPT_MAX } from '../base/limits.ts';
import type { Random } from '../base/ports.ts';
import {
  type ChainOwner,
  type ChainPosition,
  type Contributor,
  nextReveal,
  positionIn,
  type RevealChain,
  revealChain,
} from '../consensus/beacon.ts';
import { nativeSha256 } from '../runtime/crypto.ts';
import {
  atomicWrite,
  type Files,
  readPrivateFile,
  systemCode,
  systemFiles,
  writeWhole,
} from '../runtime/files.ts';

export interface BeaconFileOptions {
  readonly path: string;
  readonly owner: ChainOwner;
  readonly random: Random;
  readonly files?: Files;
  /** Of chains that are made. */
  readonly length?: number;
}

/** What a node asks of its own reveal chains. One process uses the file at a time. */
export interface Beacon {
  /** The end of the newest chain: what a founding, or the transaction after `renew`, commits to. */
  commitment(): ChainPosition;
  /**
   * What this node reveals in a block of `epoch` when the state knows `contributor` of it; undefined when it has nothing to reveal
   * or the chain there is none of these.
   */
  reveal(contributor: Contributor | undefined, epoch: Epoch): Digest | undefined;
  /**
   * True when a new chain should be committed to: the one in force is another's, or has fewer than `reserve` reveals left, and none of
   * ours comes into force behind it.
   */
  isRunningOut(contributor: Contributor | undefined, epoch: Epoch, reserve: number): boolean;
  /** A fresh chain, durably, and its end. Chains that `contributor` does not name are dropped. Throws DISK. */
  renew(contributor: Contributor | undefined): Promise<ChainPosition>;
}

/**
 * Opens the file at `path`, made with a first chain where there is none. Throws INVALID_IDENTITY (damaged, or open to other
 * users), DISK.
 */
export async function openBeacon(options: BeaconFileOptions): Promise<Beacon> {
  const files = options.files ?? systemFiles;
  try {
    return new FileBeacon(options, parse(await readPrivateFile(options.path, files), options.path));
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== 'NOT_FOUND') throw error;
  }
  const first = freshSecret(options);
  const wasMade = await createOnce(options, format([first]), files);
  if (wasMade) return new FileBeacon(options, [first]);
  // Another process was faster: its chain is the chain.
  return new FileBeacon(options, parse(await readPrivateFile(options.path, files), options.path));
}

interface ChainSecret {
  readonly secret: Uint8Array;
  readonly length: number;
}

class FileBeacon implements Beacon {
  readonly #options: BeaconFileOptions;
  /** The newest last. */
  #secrets: readonly ChainSecret[];
  readonly #chains: WeakMap<ChainSecret, RevealChain> = new WeakMap();

  constructor(options: BeaconFileOptions, secrets: readonly ChainSecret[]) {
    this.#options = options;
    this.#secrets = secrets;
  }

  commitment(): ChainPosition {
    return this.#chainOf(this.#secrets.at(-1)!).commitment;
  }

  reveal(contributor: Contributor | undefined, epoch: Epoch): Digest | undefined {
    return this.#revealAt(contributor && positionIn(contributor, epoch));
  }

  isRunningOut(contributor: Contributor | undefined, epoch: Epoch, reserve: number): boolean {
    if (contributor === undefined) return true;
    const position = positionIn(contributor, epoch);
    const { pending } = contributor;
    const isOurs = position !== undefined && this.#revealAt(position) !== undefined;
    if (isOurs && position.remaining >= reserve) return false;
    return pending === undefined || pending.fromEpoch <= epoch || this.#revealAt(pending) === undefined;
  }

  async renew(contributor: Contributor | undefined): Promise<ChainPosition> {
    const { path, files = systemFiles } = this.#options;
    const named = [contributor?.current, contributor?.pending];
    const kept = this.#secrets.filter((secret) => named.some((position) => this.#isOn(secret, position)));
    const secrets = [...kept, freshSecret(this.#options)].slice(-BEACON_CHAINS_KEPT_MAX);
    await atomicWrite(path, toUtf8(format(secrets)), files);
    this.#secrets = secrets;
    return this.commitment();
  }

  #revealAt(position: ChainPosition | undefined): Digest | undefined {
    if (position === undefined) return undefined;
    for (const secret of this.#secrets.toReversed()) {
      const reveal = nextReveal(this.#chainOf(secret), position, nativeSha256);
      if (reveal !== undefined) return reveal;
    }
    return undefined;
  }

  #isOn(secret: ChainSecret, position: ChainPosition | undefined): boolean {
    return position !== undefined && nextReveal(this.#chainOf(secret), position, nativeSha256) !== undefined;
  }

  #chainOf(secret: ChainSecret): RevealChain {
    const known = this.#chains.get(secret);
    if (known !== undefined) return known;
    const chain = revealChain(this.#options.owner, secret.secret, secret.length, nativeSha256);
    this.#chains.set(secret, chain);
    return chain;
  }
}

function freshSecret({ random, length = BEACON_CHAIN_LENGTH }: BeaconFileOptions): ChainSecret {
  return { secret: random.bytes(DIGEST_LENGTH), length };
}

// ---- The file ------------------------------------------------------------------------------------------------------

const PREFIX = 'holdfast-beacon-key ';
const LINE = /^holdfast-beacon-key ([0-9a-f]{64}) ([1-9][0-9]{0,7}) ([0-9a-f]{8})$/;

function format(secrets: readonly ChainSecret[]): string {
  return secrets
    .map(({ secret, length }) => `${PREFIX}${toHex(secret)} ${length}`)
    .map((text) => `${text} ${checksumOf(text)}\n`)
    .join('');
}

function parse(bytes: Uint8Array, path: string): readonly ChainSecret[] {
  const lines = new TextDecoder('latin1').decode(bytes).replace(/\n$/, '').split('\n');
  if (lines.length > BEACON_CHAINS_KEPT_MAX) throw damaged(path, 'has too many lines');
  return lines.map((line) => {
    const match = LINE.exec(line);
    if (match === null) throw damaged(path, 'is not a beacon key file');
    const [, secret, digits, checksum] = match;
    if (checksum !== checksumOf(line.slice(0, -9)))
      throw damaged(path, 'is damaged: a checksum does not match');
    const length = Number(digits);
    if (length > BEACON_CHAIN_LENGTH_MAX) throw damaged(path, 'names a chain that is too long');
    return { secret: fromHex(secret!), length };
  });
}

function checksumOf(text: string): string {
  return toHex(nativeSha256(toUtf8(text)).subarray(0, 4));
}

/** False, and nothing changed, where the name is taken. */
async function createOnce({ path, random }: BeaconFileOptions, text: string, files: Files): Promise<boolean> {
  const folder = dirname(path);
  const aside = `${path}.${toHex(random.bytes(8))}.tmp`;
  try {
    await files.makeDirectory(folder);
    await writeWhole(aside, toUtf8(text), files);
    await files.link(aside, path);
    await files.syncDirectory(folder);
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    throw toStoreError(error, 'DISK', `cannot write ${path}`);
  } finally {
    await files.remove(aside).catch(() => undefined);
  }
}

function damaged(path: string, reason: string): StoreError {
  return new StoreError('INVALID_IDENTITY', `beacon key file ${path} ${reason}`, {
    next: 'Remove it: the node makes a new chain and commits to it, and reveals again an epoch later.',
  });
}
