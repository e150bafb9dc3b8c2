// Objects of this home that are stored and not yet on the chain, so that what a put could not finish, the next command does: whatever the chain does not
// name is nobody's to look after, and goes in time.
//
// HOME/registrations/<manifest digest in hex>, mode 0600, one file an object:
//
//     canonical ['holdfast-registration', network, owner, manifest digest, its length, [[node, signature], ...], milliseconds since 1970]
//
// The rest is in the manifest, which anybody who knows its digest can fetch: that names the object and opens nothing. A file is durable before the put
// is acknowledged, and goes when the chain has the object. One that a crash tore is of a put that nobody was told of.

import { join } from 'node:path';
import { z } from 'zod';
import { toHex } from '../base/bytes.ts';
import { bytesOf, decodeCanonical, digestOf, encode, listOf, uint } from '../base/codec.ts';
import { toStoreError } from '../base/errors.ts';
import { type Digest, type NetworkId, type NodeId, type OwnerId, type Signature } from '../base/ids.ts';
import { CODE_PIECES_MAX, MANIFEST_LENGTH_MAX } from '../base/limits.ts';
import type { ManifestCertificate } from '../shards/availability.ts';
import { atomicWrite, type Files, readWhole, systemFiles } from '../runtime/files.ts';
import { registrationsFolder } from './home.ts';

export interface PendingRegistration {
  readonly network: NetworkId;
  readonly owner: OwnerId;
  readonly manifest: ManifestCertificate;
  readonly createdAtMs: number;
}

const ENTRY_LENGTH_MAX = 64 * 1024;
/** Looked at by one command: the next one goes on. */
const PENDING_MAX = 256;

const schema = z
  .tuple([
    z.literal('holdfast-registration'),
    digestOf<NetworkId>(),
    digestOf<OwnerId>(),
    digestOf<Digest>(),
    uint(MANIFEST_LENGTH_MAX),
    listOf(z.tuple([digestOf<NodeId>(), bytesOf(64)]), CODE_PIECES_MAX),
    uint(),
  ])
  .transform(
    ([, network, owner, digest, lengthBytes, confirmations, createdAtMs]): PendingRegistration => ({
      network,
      owner,
      manifest: { digest, lengthBytes, confirmations: confirmations as [NodeId, Signature][] },
      createdAtMs,
    }),
  );

/** Throws DISK. */
export async function keepRegistration(
  home: string,
  pending: PendingRegistration,
  files: Files = systemFiles,
): Promise<void> {
  const { network, owner, manifest, createdAtMs } = pending;
  const { digest, lengthBytes, confirmations } = manifest;
  const folder = registrationsFolder(home);
  const bytes = encode([
    'holdfast-registration',
    network,
    owner,
    digest,
    lengthBytes,
    confirmations.slice(0, CODE_PIECES_MAX),
    createdAtMs,
  ]);
  try {
    await files.makeDirectory(folder);
    await atomicWrite(fileOf(home, digest), bytes, files);
  } catch (error) {
    throw toStoreError(error, 'DISK', `cannot note in ${folder} what is to be registered`);
  }
}

/** Never rejects: an object that is registered once more is found to be there. */
export async function dropRegistration(
  home: string,
  manifest: Digest,
  files: Files = systemFiles,
): Promise<void> {
  await files.remove(fileOf(home, manifest)).catch(() => undefined);
}

/** The oldest first. What cannot be read is taken away. Never rejects. */
export async function pendingRegistrations(
  home: string,
  files: Files = systemFiles,
): Promise<readonly PendingRegistration[]> {
  const folder = registrationsFolder(home);
  const names = await files.list(folder).catch(() => []);
  const pending: PendingRegistration[] = [];
  for (const name of names.filter((each) => /^[0-9a-f]{64}$/.test(each)).slice(0, PENDING_MAX)) {
    const path = join(folder, name);
    try {
      const bytes = await readWhole(path, ENTRY_LENGTH_MAX, files);
      if (bytes !== undefined) pending.push(decodeCanonical(schema, bytes, ENTRY_LENGTH_MAX, 'registration'));
    } catch (error) {
      if (toStoreError(error, 'DISK', path).code === 'INVALID_ENCODING')
        await files.remove(path).catch(() => undefined);
    }
  }
  return pending.sort((a, b) => a.createdAtMs - b.createdAtMs);
}

function fileOf(home: string, manifest: Digest): string {
  return join(registrationsFolder(home), toHex(manifest));
}
