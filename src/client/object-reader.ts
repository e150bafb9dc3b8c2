// The manifest behind a URI, verified, and its pages as they are needed. Everything below the CID is checked here
// once: digest, form, network, key, and that each page belongs where it stands.

import { equal, short } from '../base/bytes.ts';
import type { EpochRecord } from '../base/epoch.ts';
import { StoreError, toStoreError } from '../base/errors.ts';
import type { ContentKey, Digest, ObjectId } from '../base/ids.ts';
import { PAGE_SEGMENTS_MAX } from '../base/limits.ts';
import {
  checkPage,
  decodeManifest,
  decodePage,
  type Manifest,
  type ManifestPage,
  manifestObject,
  type SegmentRecord,
} from '../replication/manifest.ts';
import { keyCheck } from '../replication/object.ts';
import type { Context } from './context.ts';
import type { Health } from './health.ts';
import { findRecord } from './records.ts';
import type { NoticeEvent } from './types.ts';
import type { ObjectUri } from './uri.ts';

export interface ObjectReader {
  readonly manifest: Manifest;
  readonly object: ObjectId;
  readonly segmentCount: number;
  /** What the manifest says of segment `index`. Fetches its page when it is not the one in memory. */
  segment(index: number, signal: AbortSignal): Promise<SegmentRecord>;
}

/** Throws what `findRecord` throws, and INTEGRITY for a record that is no manifest, WRONG_NETWORK. */
export async function openObject(
  context: Context,
  epoch: EpochRecord,
  uri: ObjectUri,
  health: Health,
  signal: AbortSignal,
  notice: (event: NoticeEvent) => void = () => undefined,
): Promise<ObjectReader> {
  // Whoever has a key looks for an object that nobody announces.
  const isAnnounced = uri.key === undefined;
  const bytes = await findRecord(context, epoch, uri.digest, health, signal, notice, { isAnnounced });
  const manifest = parsed(() => decodeManifest(bytes), `manifest ${uri.cid}`);
  if (!equal(manifest.network, context.networkId)) {
    throw new StoreError('WRONG_NETWORK', `the object belongs to network ${short(manifest.network)}`, {
      next: 'Point HOLDFAST_HOME at a home of that network.',
    });
  }
  const { content } = manifest;
  const pages: readonly Digest[] = content.kind === 'paged' ? content.pages : [];
  let current: { readonly index: number; readonly page: Promise<ManifestPage> } | undefined;
  const pageAt = async (index: number, pageSignal: AbortSignal): Promise<ManifestPage> => {
    const record = await findRecord(context, epoch, pages[index]!, health, pageSignal, notice);
    return parsed(() => {
      const page = decodePage(record);
      checkPage(manifest, index, page);
      return page;
    }, `page ${index} of manifest ${uri.cid}`);
  };
  return {
    manifest,
    object: manifestObject(manifest),
    segmentCount: content.kind === 'paged' ? content.segmentCount : 0,
    segment: async (index, segmentSignal) => {
      const pageIndex = Math.floor(index / PAGE_SEGMENTS_MAX);
      if (current?.index !== pageIndex)
        current = { index: pageIndex, page: pageAt(pageIndex, segmentSignal) };
      const { page } = current;
      try {
        return (await page).segments[index % PAGE_SEGMENTS_MAX]!;
      } catch (error) {
        // Not remembered: the next reader asks again.
        if (current?.page === page) current = undefined;
        throw error;
      }
    },
  };
}

/** Undefined for a public object. Throws WRONG_KEY when the key is missing or another object's. */
export function checkKey(reader: ObjectReader, uri: ObjectUri): ContentKey | undefined {
  const { manifest, object } = reader;
  if (manifest.keyCheck === undefined) return undefined;
  if (uri.key === undefined) {
    throw new StoreError('WRONG_KEY', 'the object is encrypted, and the URI carries no key', {
      next: 'Use the whole URI, as "store put" printed it.',
    });
  }
  if (!equal(keyCheck(uri.key, object), manifest.keyCheck)) {
    throw new StoreError('WRONG_KEY', 'the key in the URI does not decrypt this object', {
      next: 'Copy the URI again, whole, as "store put" printed it.',
    });
  }
  return uri.key;
}

/** A record with the right digest that says nonsense was written so: no other node has a better one. */
function parsed<T>(decode: () => T, what: string): T {
  try {
    return decode();
  } catch (error) {
    const { message } = toStoreError(error, 'INTEGRITY', what);
    throw new StoreError('INTEGRITY', `${what} does not describe an object: ${message}`, { cause: error });
  }
}
