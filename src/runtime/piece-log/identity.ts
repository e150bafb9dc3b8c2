// Whose folder this is. The identity file says it, and every log file repeats it, so each can be recovered from the
// other. A folder of another network or node is refused before anything in it is touched.

import { join } from 'node:path';
import { equal, toHex } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import type { Random } from '../../base/ports.ts';
import { atomicWrite, fileLength, type Files, systemCode } from '../files.ts';
import { logFileName } from './log-files.ts';
import {
  decodeFileHeader,
  encodeFileHeader,
  FILE_HEADER_LENGTH,
  type FileHeader,
  type Identity,
  isKnownFormat,
  MARKER_LENGTH,
} from './record.ts';

const IDENTITY_NAME = 'identity';

export interface Claim {
  readonly folder: string;
  readonly network: Uint8Array;
  readonly node: Uint8Array;
}

export interface OpenedIdentity {
  readonly identity: Identity;
  readonly isNew: boolean;
  /** Files whose header is damaged or of another folder; 0 is the identity file. */
  readonly damagedHeaders: readonly number[];
}

/**
 * Reads, or in an empty folder creates, the identity. Throws INVALID_CONFIG for a folder of another network or node,
 * UNSUPPORTED for another format, DAMAGED when no copy of the identity is readable, DISK.
 */
export async function openIdentity(
  claim: Claim,
  logFileNumbers: readonly number[],
  files: Files,
  random: Random,
): Promise<OpenedIdentity> {
  const path = join(claim.folder, IDENTITY_NAME);
  const own = await readHeader(path, files);
  let identity = own === undefined ? undefined : accept(own, claim);
  const damagedHeaders: number[] = own === undefined && logFileNumbers.length > 0 ? [0] : [];
  for (const file of logFileNumbers) {
    const isLast = file === logFileNumbers.at(-1);
    const logPath = join(claim.folder, logFileName(file));
    const header = await readHeader(logPath, files);
    const found = header === undefined ? undefined : accept(header, claim);
    identity ??= found;
    const isWhole = found !== undefined && header?.file === file && equal(found.marker, identity!.marker);
    // A crash while the newest file was created leaves it without header; recovery removes it.
    const isUnfinished =
      isLast && header === undefined && (await fileLength(logPath, files)) <= FILE_HEADER_LENGTH;
    if (!isWhole && !isUnfinished) damagedHeaders.push(file);
  }
  if (identity === undefined && logFileNumbers.length > 0) {
    throw new StoreError(
      'DAMAGED',
      `${claim.folder}: neither the identity file nor any log file says whose it is`,
      {
        next: 'Restore the identity file, or move the folder away and start with an empty one.',
      },
    );
  }
  const isNew = identity === undefined;
  identity ??= { network: claim.network, node: claim.node, marker: random.bytes(MARKER_LENGTH) };
  await sweepTemporaries(claim.folder, files);
  if (own === undefined) await atomicWrite(path, encodeFileHeader(0, identity), files);
  return { identity, isNew, damagedHeaders };
}

/** A crash while the identity file was written leaves its temporary one. */
async function sweepTemporaries(folder: string, files: Files): Promise<void> {
  for (const name of await files.list(folder)) {
    if (name.startsWith(`.${IDENTITY_NAME}.`) && name.endsWith('.tmp'))
      await files.remove(join(folder, name));
  }
}

async function readHeader(path: string, files: Files): Promise<FileHeader | undefined> {
  try {
    const file = await files.open(path, 'read');
    try {
      const bytes = new Uint8Array(FILE_HEADER_LENGTH);
      return decodeFileHeader(bytes.subarray(0, await file.read(bytes, 0)));
    } finally {
      await file.close();
    }
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'EIO') return undefined;
    throw error;
  }
}

function accept(header: FileHeader, claim: Claim): Identity {
  if (!isKnownFormat(header)) {
    throw new StoreError('UNSUPPORTED', `${claim.folder} has log format ${header.format}`, {
      next: 'Use the version of the program that wrote it, or a newer one.',
    });
  }
  const { network, node } = header.identity;
  if (!equal(network, claim.network)) throw foreign(claim.folder, 'network', network, claim.network);
  if (!equal(node, claim.node)) throw foreign(claim.folder, 'node', node, claim.node);
  return header.identity;
}

function foreign(folder: string, what: string, theirs: Uint8Array, ours: Uint8Array): StoreError {
  const text = `${folder} belongs to ${what} ${toHex(theirs)}, not to ${what} ${toHex(ours)}`;
  return new StoreError('INVALID_CONFIG', text, {
    next: 'Use the folder that belongs to this node, or an empty one.',
  });
}
