// Which objects this home has put on the chain without a name. The chain keeps no list of what an owner has, so whoever wants to look after everything
// (`store health --all`) needs one. A convenience, not a record: it says nothing that opens an object, and what is missing in it is not lost.
//
// HOME/networks/<first 16 digits of the network id>.objects: a line each, the object's id in hex, with a "-" in front when it was removed.

import { appendFile, readFile } from 'node:fs/promises';
import { fromHex, toHex } from '../base/bytes.ts';
import type { NetworkId, ObjectId } from '../base/ids.ts';
import { makeHome, objectsPath } from './home.ts';
import { dirname } from 'node:path';

/** Never rejects: an object that is not in the list is on the chain all the same. */
export async function noteObject(
  home: string,
  network: NetworkId,
  object: ObjectId,
  isRemoved = false,
): Promise<void> {
  const path = objectsPath(home, toHex(network));
  try {
    await makeHome(dirname(path));
    // One short write at the end: programs that write at the same time do not cut each other's lines.
    await appendFile(path, `${isRemoved ? '-' : ''}${toHex(object)}\n`, { mode: 0o600 });
  } catch {
    // The list is shorter by one.
  }
}

/** In the order in which they were put. Lines that are none are passed over. Never rejects. */
export async function ownedObjects(home: string, network: NetworkId): Promise<readonly ObjectId[]> {
  const text = await readFile(objectsPath(home, toHex(network)), 'utf8').catch(() => '');
  const objects = new Set<string>();
  for (const line of text.split('\n')) {
    const [, sign, object] = /^(-?)([0-9a-f]{64})$/.exec(line) ?? [];
    if (object === undefined) continue;
    if (sign === '-') objects.delete(object);
    else objects.add(object);
  }
  return [...objects].map((object) => fromHex(object) as ObjectId);
}
