// Describes segments as they are acknowledged, in order, page by page: a page is stored as soon as it is full, so memory
// does not grow with the object beyond one page and 32 bytes per page stored.

import { type StoreError, toStoreError } from '../base/errors.ts';
import type { Digest, ObjectId } from '../base/ids.ts';
import { PAGE_SEGMENTS_MAX } from '../base/limits.ts';
import { encodePage, type PagedContent, type SegmentRecord } from '../replication/manifest.ts';
import type { StoredRecord } from './records.ts';

export interface ManifestWriter {
  /** The next segment, in order, at once or when it is acknowledged. */
  add(segment: SegmentRecord | Promise<SegmentRecord>): void;
  /** When every page but the last is stored. Throws what a segment or a page threw. */
  end(): Promise<WrittenPages>;
}

export interface WrittenPages {
  readonly content: PagedContent;
  /** Of the first page. The others are read from their pages again, where they are needed. */
  readonly firstSegments: readonly SegmentRecord[];
  /** When the last page is stored: what names it need not wait for that. Throws what storing it threw. */
  readonly stored: Promise<void>;
}

/** A page on its way, and its name. */
export interface PageUnderWay {
  readonly digest: Digest;
  readonly stored: Promise<StoredRecord>;
}

/** `onFailure` hears of the first failure at once, so that the rest of the upload can stop. */
export function createManifestWriter(
  store: (record: Uint8Array) => PageUnderWay,
  object: ObjectId,
  follow: (work: Promise<unknown>) => void,
  onFailure: (error: StoreError) => void,
): ManifestWriter {
  const pages: Digest[] = [];
  let firstSegments: readonly SegmentRecord[] = [];
  let segments: SegmentRecord[] = [];
  let segmentCount = 0;
  let last: Promise<void> = Promise.resolve();

  const storePage = async (): Promise<void> => {
    const firstSegment = pages.length * PAGE_SEGMENTS_MAX;
    const { digest, stored } = store(encodePage({ object, firstSegment, segments }));
    if (pages.length === 0) firstSegments = segments;
    pages.push(digest);
    segments = [];
    follow((await stored).finished);
  };
  const append = async (
    segment: SegmentRecord | Promise<SegmentRecord>,
    before: Promise<void>,
  ): Promise<void> => {
    // Waits for its segment even where an earlier one failed: no rejection stays unheard.
    const [, record] = await Promise.all([before, segment]);
    segments.push(record);
    segmentCount++;
    if (segments.length === PAGE_SEGMENTS_MAX) await storePage();
  };
  return {
    add: (segment) => {
      last = append(segment, last);
      last.catch((error: unknown) => onFailure(toStoreError(error, 'INTERNAL', 'put')));
    },
    end: async () => {
      await last;
      const stored = segments.length > 0 ? storePage() : Promise.resolve();
      stored.catch((error: unknown) => onFailure(toStoreError(error, 'INTERNAL', 'put')));
      return { content: { kind: 'paged', segmentCount, pages }, firstSegments, stored };
    },
  };
}
