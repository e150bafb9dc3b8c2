// The key that makes a node the same node after a restart. The file is one line of text:
//
//     holdfast-node-key ed25519 <seed, 64 hex digits> <checksum, 8 hex digits>
//
// The checksum is the first four bytes of SHA-256 over the text in front of it: damage is found before the
// node shows up as somebody else. Whoever reads the file is the node, so it has mode 0600 and is refused with any other
// reader. It is written once, under a temporary name, and appears whole or not at all.

import { randomBytes } from 'node:crypto';
import { link, open, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fromHex, toHex, toUtf8 } from '../base/bytes.ts';
import { StoreError, toStoreError } from '../base/errors.ts';
import type { NodeId } from '../base/ids.ts';
import { SEED_LENGTH } from '../base/keys.ts';
import type { Signer } from '../base/ports.ts';
import { nativeSha256, nativeSigner } from './crypto.ts';
import { systemFiles } from './files.ts';

export interface Identity {
  readonly nodeId: NodeId;
  readonly signer: Signer;
  /** The secret itself, for libraries that do their own signing. A function, so that printing an identity shows nothing. */
  readonly secretSeed: () => Uint8Array;
}

const PREFIX = 'holdfast-node-key ed25519 ';
const LINE = /^holdfast-node-key ed25519 ([0-9a-f]{64}) ([0-9a-f]{8})\n?$/;
/** The line is 100 bytes; a longer file is not one of ours. */
const FILE_LENGTH_MAX = 1024;

/** The identity of a 32-byte seed. */
export function identityFromSeed(seed: Uint8Array): Identity {
  const kept = seed.slice(0, SEED_LENGTH);
  const signer = nativeSigner(kept);
  return { nodeId: signer.publicKey as NodeId, signer, secretSeed: () => kept.slice() };
}

/** An identity that lives as long as the process: for clients that need no lasting name. */
export function ephemeralIdentity(): Identity {
  return identityFromSeed(new Uint8Array(randomBytes(SEED_LENGTH)));
}

/**
 * The identity in the file at `path`. Throws NOT_FOUND, INVALID_IDENTITY (damaged, of another kind, or readable
 * by others), DISK.
 */
export async function loadIdentity(path: string): Promise<Identity> {
  const text = await readSecret(path);
  const match = LINE.exec(text);
  if (match === null) throw damaged(path, 'is not a node key file');
  const [, seed, checksum] = match;
  if (checksum !== checksumOf(seed!)) throw damaged(path, 'is damaged: its checksum does not match');
  return identityFromSeed(fromHex(seed!));
}

/** A new identity in a new file at `path`. Throws ALREADY_EXISTS, DISK. */
export async function createIdentity(path: string): Promise<Identity> {
  const seed = new Uint8Array(randomBytes(SEED_LENGTH));
  const hex = toHex(seed);
  await writeSecret(path, `${PREFIX}${hex} ${checksumOf(hex)}\n`);
  return identityFromSeed(seed);
}

/** The identity at `path`, made when there is none yet. Throws INVALID_IDENTITY, DISK. */
export async function loadOrCreateIdentity(path: string): Promise<Identity> {
  try {
    return await loadIdentity(path);
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== 'NOT_FOUND') throw error;
  }
  try {
    return await createIdentity(path);
  } catch (error) {
    // Another process was faster: its key is the key.
    if (error instanceof StoreError && error.code === 'ALREADY_EXISTS') return loadIdentity(path);
    throw error;
  }
}

function checksumOf(seedHex: string): string {
  return toHex(nativeSha256(toUtf8(PREFIX + seedHex)).subarray(0, 4));
}

async function readSecret(path: string): Promise<string> {
  const file = await open(path, 'r').catch((error: unknown) => {
    if (isSystemError(error, 'ENOENT'))
      throw new StoreError('NOT_FOUND', `there is no identity file at ${path}`);
    throw toStoreError(error, 'DISK', `identity file ${path}`);
  });
  try {
    const stat = await file.stat();
    if (!stat.isFile() || stat.size > FILE_LENGTH_MAX) throw damaged(path, 'is not a node key file');
    // Windows has no such bits.
    if (process.platform !== 'win32' && (stat.mode & 0o077) !== 0) {
      throw new StoreError(
        'INVALID_IDENTITY',
        `identity file ${path} can be read or written by other users`,
        {
          next: `Run "chmod 600 ${path}"; if others may have read it, make a new identity instead.`,
        },
      );
    }
    return await file.readFile('latin1');
  } catch (error) {
    throw toStoreError(error, 'DISK', `identity file ${path}`);
  } finally {
    await file.close();
  }
}

/** Writes aside, syncs, then links: `link` fails where a name exists, `rename` would overwrite somebody's key. */
async function writeSecret(path: string, text: string): Promise<void> {
  const aside = `${path}.${toHex(randomBytes(4))}.tmp`;
  try {
    await systemFiles.makeDirectory(dirname(path));
    const file = await open(aside, 'wx', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await link(aside, path);
    await systemFiles.syncDirectory(dirname(path));
  } catch (error) {
    if (isSystemError(error, 'EEXIST'))
      throw new StoreError('ALREADY_EXISTS', `identity file ${path} is there already`);
    throw toStoreError(error, 'DISK', `identity file ${path}`);
  } finally {
    await unlink(aside).catch(() => undefined);
  }
}

function damaged(path: string, reason: string): StoreError {
  return new StoreError('INVALID_IDENTITY', `identity file ${path} ${reason}`, {
    next: 'Restore it from a backup; a new identity is a new node, which has to join again.',
  });
}

function isSystemError(error: unknown, code: string): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === code;
}
