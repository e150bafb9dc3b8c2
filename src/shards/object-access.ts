// Which object an order is about, and whether whoever sent it may do what only the owner may.

import { equal } from '../base/bytes.ts';
import type { ObjectId, OwnerId } from '../base/ids.ts';
import { objectOf, type ObjectRecord } from './object-record.ts';
import type { RefusalCode } from './operation.ts';
import type { Overlay } from './view.ts';

/** The object unless it is being deleted. */
export function presentObject(state: Overlay, id: ObjectId): ObjectRecord | RefusalCode {
  const object = objectOf(state, id);
  return object === undefined || object.isLeaving ? 'no-such-object' : object;
}

export function ownObject(state: Overlay, id: ObjectId, owner: OwnerId): ObjectRecord | RefusalCode {
  const object = presentObject(state, id);
  if (typeof object === 'string') return object;
  return equal(object.owner, owner) ? object : 'not-the-owner';
}
