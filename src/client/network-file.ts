// `network.json` in the client's home: which network this home belongs to, and where to find some of its nodes. People
// may edit it, so everything in it is checked and every complaint names the file.

import { z } from 'zod';
import { StoreError } from '../base/errors.ts';
import { ADDRESSES_MAX, LABEL_LENGTH_MAX } from '../base/limits.ts';
import { atomicWrite, readWhole } from '../runtime/files.ts';
import { makeHome, networkFilePath } from './home.ts';
import type { NetworkDescription } from './types.ts';

/** Room for the longest list of bootstrap addresses, generously. */
const FILE_LENGTH_MAX = 64 * 1024;
/** Bootstrap addresses kept: any one that answers is enough. */
const BOOTSTRAP_MAX: number = 4 * ADDRESSES_MAX;
const ADDRESS_LENGTH_MAX = 256;

const schema = z.strictObject({
  network: z.string().regex(/^[0-9a-f]{64}$/, 'not 64 hex digits'),
  name: z.string().min(1).max(LABEL_LENGTH_MAX),
  bootstrap: z
    .array(z.string().max(ADDRESS_LENGTH_MAX).regex(/^\//, 'not an address like /ip4/10.0.0.2/tcp/4002/tls'))
    .max(BOOTSTRAP_MAX),
  presharedKeyFile: z.string().min(1).optional(),
});

/** The network of a home. Throws NOT_FOUND with the next step, INVALID_CONFIG naming the file, DISK. */
export async function readNetworkFile(home: string): Promise<NetworkDescription> {
  const path = networkFilePath(home);
  const bytes = await readWhole(path, FILE_LENGTH_MAX);
  if (bytes === undefined) {
    throw new StoreError('NOT_FOUND', `no network is configured: there is no ${path}`, {
      next: 'Start a local network (store up), join one (store join CODE) or found one (store init).',
    });
  }
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw invalid(path, 'it is not JSON', error);
  }
  return checkDescription(value, path);
}

/** `value` as a description, checked. Throws INVALID_CONFIG; `origin` says where it came from. */
export function checkDescription(value: unknown, origin: string): NetworkDescription {
  const parsed = schema.safeParse(value);
  if (parsed.success) {
    const { presharedKeyFile, ...rest } = parsed.data;
    return presharedKeyFile === undefined ? rest : { ...rest, presharedKeyFile };
  }
  const issue = parsed.error.issues[0];
  throw invalid(origin, `${issue?.path.join('.') || 'value'}: ${issue?.message ?? 'off'}`);
}

/** Replaces the file, whole or not at all. Throws INVALID_CONFIG, DISK. */
export async function writeNetworkFile(home: string, description: NetworkDescription): Promise<void> {
  const path = networkFilePath(home);
  const checked = checkDescription(description, path);
  await makeHome(home);
  await atomicWrite(path, new TextEncoder().encode(`${JSON.stringify(checked, null, 2)}\n`));
}

function invalid(origin: string, reason: string, cause?: unknown): StoreError {
  return new StoreError('INVALID_CONFIG', `network description ${origin} is damaged: ${reason}`, {
    cause,
    next: 'Repair or remove it, then run store up, store join CODE or store init again.',
  });
}
