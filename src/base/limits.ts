// Every bound of the system, with its reason. A peer, file or flag that exceeds one is refused with a typed error
// at the border, before the bytes are used for anything.

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

// ---- Data shapes -------------------------------------------------------------------------------------------

/** Unit of encryption and of range reads: large enough that per-call costs vanish, small enough to seek. */
export const CELL_LENGTH: number = 64 * KIB;
/** AES-256-GCM tag at the end of each encrypted cell. */
export const TAG_LENGTH = 16;
/** Verified-range grain: BLAKE3 groups of 16 chunks; the outboard tree then costs 0.4 % of a piece. */
export const GROUP_LENGTH: number = 16 * KIB;
/** Unit of audit: a BLAKE3 chunk. */
export const LEAF_LENGTH: number = KIB;
/** Tail cells are multiples of this, so that the SIMD kernel needs no byte-wise tail. */
export const CELL_ALIGNMENT = 64;
/** Default segment: 256 cells. At 3 of 7 one takes 37 MiB on its way out, its pieces, and 21 on its way in. */
export const SEGMENT_CELLS_DEFAULT = 256;
/** 1 MiB to 64 MiB of cells. */
export const SEGMENT_CELLS_MIN = 16;
export const SEGMENT_CELLS_MAX = 1024;
/** GF(2^8) has 255 non-zero elements; a code word has at most as many symbols. */
export const CODE_PIECES_MAX = 255;
/** A piece of the largest segment stored as whole copies (k = 1), plus the alignment of a tail cell. */
export const PIECE_LENGTH_MAX: number = SEGMENT_CELLS_MAX * CELL_LENGTH + CELL_LENGTH;

// ---- Records -----------------------------------------------------------------------------------------------

/** Nesting of canonical records; ours need 6. */
export const CBOR_DEPTH_MAX = 16;
/** Items (array elements, map entries) in one record: bounds the objects that a decoder can be made to build. */
export const CBOR_ITEMS_MAX = 262_144;
/** Segments described by one manifest page: at n = 50 a page stays under 2 MiB. */
export const PAGE_SEGMENTS_MAX = 128;
/** Pages of one manifest: 65,536 pages of 128 segments of 16 MiB are 128 TiB. */
export const MANIFEST_PAGES_MAX = 65_536;
/** Encoded manifest root or page. */
export const MANIFEST_LENGTH_MAX: number = 4 * MIB;
/** Members of an epoch record. */
export const MEMBERS_MAX = 4096;
/** Encoded epoch record: 4096 members at 350 bytes. */
export const EPOCH_RECORD_LENGTH_MAX: number = 2 * MIB;
/** Signed records of the DHT. libp2p's own cap on a DHT message is larger. */
export const DHT_RECORD_LENGTH_MAX: number = 4 * KIB;
/** Addresses in a node record. */
export const ADDRESSES_MAX = 16;
/** Longest text label: operator, failure domain, network name. */
export const LABEL_LENGTH_MAX = 64;
/** Failure-domain labels of a member. */
export const DOMAIN_LABELS_MAX = 8;
/** Imported public keys kept for verification: every member of the largest epoch record, and as many owners. */
export const VERIFY_KEYS_MAX: number = 2 * MEMBERS_MAX;

// ---- Exchanges ---------------------------------------------------------------------------------------------

/** Header of a request or reply (canonical record in front of the body). */
export const HEADER_LENGTH_MAX: number = 256 * KIB;
/** Error text that a peer may send; longer is cut, control characters are dropped. */
export const REFUSAL_TEXT_MAX = 512;
/** Bulk connections one peer may hold: one exchange at a time each, so also its concurrency. */
export const BULK_CONNECTIONS_PER_PEER = 8;
/** Bulk connections a node accepts in all. */
export const BULK_CONNECTIONS_MAX = 256;
/** Bytes of request bodies a node holds at once, and as much again of replies; above it new exchanges are refused as BUSY. */
export const BODY_BUDGET: number = 256 * MIB;
/** One peer holds this part of a budget, or one of the largest pieces if that is more: identities cost nothing. */
export const BODY_SHARE_DIVISOR = 16;
/** This part of a budget is kept for members: it holds the largest piece, so repair goes on while strangers crowd in. */
export const BODY_MEMBERS_DIVISOR = 3;
/** A body slower than this after the first ten seconds is cut: slow-loris. */
export const BODY_RATE_MIN_PER_SECOND: number = 16 * KIB;
/** A request header must be complete this soon after its first byte. */
export const HEADER_TIMEOUT_MS = 10_000;
/** Whole exchange, unless the caller says otherwise. */
export const EXCHANGE_TIMEOUT_MS = 60_000;
/** Opening a connection, TLS handshake and hello included. */
export const CONNECT_TIMEOUT_MS = 10_000;
/** A bulk connection without exchange is closed after this. */
export const BULK_IDLE_MS = 60_000;
/** Name of a service on the wire. */
export const SERVICE_NAME_LENGTH_MAX = 64;
/** Peers whose request rate is remembered; the idle are forgotten first, which changes nothing for them. */
export const GUARDED_PEERS_MAX = 4096;
/** Calls to one peer that wait for a free bulk connection; the next is refused as BUSY. */
export const BULK_QUEUE_MAX = 1024;
/** A peer's certificate: ours has 460 bytes, one of another implementation may have an RSA key. */
export const BULK_CERTIFICATE_LENGTH_MAX: number = 4 * KIB;
/** Bytes of a bulk peer that arrive before anybody asked for them; more is a breach of the protocol. */
export const BULK_UNREAD_MAX: number = 256 * KIB;
/** After a refusal the rest of a body is thrown away for so long, so that the refusal is not lost by a reset. */
export const BULK_LINGER_MS = 1000;
/** Memory for bodies that is kept for the next ones: eight whole pieces of 4 MiB. */
export const BODY_POOL_MAX: number = 32 * MIB;

// ---- Control lane (libp2p) -----------------------------------------------------------------------------------

/** libp2p's default of 300 connections x 32 streams x 4 MiB would allow 37 GiB of buffers. */
export const CONTROL_CONNECTIONS_MAX = 200;
export const CONTROL_STREAMS_PER_PROTOCOL = 4;
export const CONTROL_STREAM_WINDOW: number = 1 * MIB;
export const CONTROL_STREAM_BUFFER: number = 2 * MIB;
/** Data frame of a call: with its head and Yamux's it fits one Noise message of 64 KiB, and calls of one stream take turns. */
export const CALL_DATA_LENGTH_MAX: number = 60 * KIB;
/** Header of a request that is told and not answered: it fits one Noise message, so no frame of it holds up the stream. */
export const TELL_LENGTH_MAX: number = 32 * KIB;
/** Calls under way on one stream: above what any service lets one peer have, and few enough to keep in mind. */
export const CALLS_PER_STREAM_MAX = 64;
/** Frames waiting to be written to a peer that does not read; above it the stream is cut. */
export const FRAMES_QUEUED_MAX = 256;
/** A peer that takes no byte for this long while there is something to send is cut off. */
export const WRITE_STALL_MS = 10_000;
/** Connections of one peer: both sides may dial at once, more is a flood. */
export const CONTROL_CONNECTIONS_PER_PEER = 4;
/** How long a peer that belongs to another network, or broke the protocol, is not dialled or accepted again. */
export const PEER_BAN_MS = 60_000;
/** A peer whose bulk lane failed while its control lane worked is called over that for so long. */
export const BULK_RETRY_MS = 30_000;
/** Banned peers remembered; the oldest is forgotten first. */
export const PEERS_BANNED_MAX = 1024;
/** How often a connection is asked for a sign of life, and how long it may take: a cut link shows after both. */
export const PING_INTERVAL_MS = 10_000;
export const PING_TIMEOUT_MS = 10_000;
/** Stopping a node waits no longer than this for its connections. */
export const STOP_TIMEOUT_MS = 3_000;
/** Gossip message: epoch records are announced by digest, so messages are small. */
export const GOSSIP_MESSAGE_LENGTH_MAX: number = 64 * KIB;
/** A gossip handler that has no verdict by then has none: the message is not passed on. */
export const GOSSIP_HANDLER_MS = 5_000;

// ---- DHT -----------------------------------------------------------------------------------------------------

/** Records of one signer that a node keeps: its address, the shards it serves, its public objects of late. */
export const DHT_RECORDS_PER_SIGNER = 64;
/** Records that a node keeps for the others: 64 MiB at their longest. */
export const DHT_RECORDS_MAX = 16_384;
/** Furthest expiry accepted: a record outlives its node by no more than this. */
export const DHT_RECORD_LIFETIME_MAX_MS: number = 48 * 3600 * 1000;
/** What makers give their records, and how often they renew them: several renewals may fail. */
export const DHT_RECORD_LIFETIME_MS: number = 24 * 3600 * 1000;
export const DHT_REPUBLISH_MS: number = 4 * 3600 * 1000;
/** One look-up or store; the DHT is a hint, so nobody waits long for it. */
export const DHT_OPERATION_MS = 10_000;
/** Nodes asked of one bucket, and nodes that keep a record. */
export const DHT_BUCKET_SIZE = 20;
/** Answers of one look-up that are looked at. */
export const DHT_ANSWERS_MAX = 64;
/** Publications of one node under way at once: each opens streams to the nodes nearest to its key, which take sixteen of a peer. */
export const DHT_PUBLICATIONS_AT_ONCE = 4;
/** Public objects that a node announces, the newest: half of what others keep of it, the rest is for its address and its shards. */
export const OBJECT_RECORDS_MAX = 32;
/** Records in an answer to "who has this object": the DHT keeps one under a key, the node asked may add its own. */
export const OBJECT_LOCATIONS_MAX = 4;
/** Look-ups that a node runs for others at once; above it, it answers from what it knows itself: each costs messages to many nodes. */
export const LOCATE_LOOKUPS_MAX = 16;
/** Such questions of one peer at a time and per second: a reader asks at most a few per object. */
export const LOCATE_CONCURRENCY = 4;
export const LOCATE_REQUESTS_PER_SECOND = 4;
/** Longest text of an address in a node record. */
export const ADDRESS_LENGTH_MAX = 256;

// ---- Disk --------------------------------------------------------------------------------------------------

/** Log files are cut at this length. */
export const LOG_FILE_LENGTH: number = 1 * GIB;
/** New pieces are refused when less than max(2 % of the disk, this) is free; serving and deleting go on. */
export const DISK_RESERVE: number = 5 * GIB;
export const DISK_RESERVE_PER_MILLE = 20;
/** Key of a log entry. */
export const ENTRY_KEY_LENGTH_MAX = 128;
/** Meta of a log entry: the outboard tree of the largest piece is 256 KiB. */
export const ENTRY_META_LENGTH_MAX: number = 384 * KIB;
/** Everything on disk is read again within this period. */
export const SCRUB_PERIOD_MS: number = 14 * 24 * 3600 * 1000;
/** A log file with less than this share of live bytes is rewritten. */
export const COMPACTION_LIVE_PERCENT = 50;
/** Grain of payload checksums: a range read verifies only the blocks it touches. */
export const LOG_BLOCK_LENGTH: number = CELL_LENGTH;
/** Payload bytes that wait in the writer of a log; further puts wait before they take memory. */
export const LOG_WAITING_BYTES: number = 64 * MIB;
/** Written and waiting for their sync are at most this: more gains nothing and delays whoever comes next. */
export const LOG_BATCH_LENGTH: number = 16 * MIB;
/** One write covers at most this: small enough that copying into the system's cache goes on beside the sync of what came before. */
export const LOG_WRITE_LENGTH: number = 2 * MIB;
/** What waits is written in one batch up to this length, and in halves above it: a sync of less costs as much as one of this. */
export const LOG_SPLIT_LENGTH: number = 256 * KIB;
/** Operations per batch: two buffers each stay under the 1024 of one vectored write. */
export const LOG_BATCH_OPERATIONS = 256;
/** Log bytes between checkpoints: what a start after a crash scans again. */
export const LOG_CHECKPOINT_LENGTH: number = 64 * MIB;
/** Log files held open for reading. */
export const LOG_OPEN_FILES = 64;
/** Compaction copies at most this much a second, so that it never takes the disk from readers and writers. */
export const COMPACTION_BYTES_PER_SECOND: number = 32 * MIB;
/** How often free space, checkpoint and compaction are looked at when nothing else asks. */
export const LOG_HOUSEKEEPING_MS = 10_000;
/** Places of damage that one start lists; the rest is counted. */
export const LOG_DAMAGE_LISTED_MAX = 1000;
/** Key and configuration files. */
export const PRIVATE_FILE_LENGTH_MAX: number = 1 * MIB;

// ---- Small objects -----------------------------------------------------------------------------------------

/** Objects up to this length live inside their manifest: coding them would cost more than it protects. */
export const INLINE_LENGTH_MAX: number = 4 * KIB;

// ---- Services of a storage node ------------------------------------------------------------------------------

/** Header of a request to a storage node: tickets and places need some 300 bytes. */
export const SERVICE_HEADER_LENGTH_MAX: number = 4 * KIB;
/** Requests of one peer to one service at a time: as many as it may hold bulk connections. */
export const SERVICE_CONCURRENCY: number = BULK_CONNECTIONS_PER_PEER;
/** Requests for pieces and records of one peer per second: above what one core of a node serves, so that it only stops floods. */
export const PIECE_REQUESTS_PER_SECOND = 2000;
/** Requests about a node or the network: a client asks once, a curious program once a second. */
export const STATUS_REQUESTS_PER_SECOND = 50;
/** Removals walk all pieces of an object, so they cost a node more than they cost the caller. */
export const REMOVE_REQUESTS_PER_SECOND = 100;
/** A removal of millions of entries takes minutes; it may be repeated when it was cut off. */
export const REMOVE_TIMEOUT_MS: number = 10 * 60_000;
/** Entries dropped by one durable write of a removal: bounds the keys held in memory. */
export const REMOVE_BATCH = 512;
/** Bytes of a piece read at a time: other requests get their turn between two slices. */
export const READ_SLICE_LENGTH: number = 4 * MIB;
/** Genesis file: the longest founding document as readable text, three times as long. */
export const GENESIS_FILE_LENGTH_MAX: number = 16 * MIB;

// ---- Membership ------------------------------------------------------------------------------------------------

/** Addresses in an invitation: it should fit into a line of mail. */
export const INVITATION_ADDRESSES_MAX = 4;
/** Encoded invitation: four long addresses, an id and a name. */
export const INVITATION_LENGTH_MAX = 1536;
/** Codes that a node's folder remembers, so that what nobody used can be taken back. */
export const INVITATIONS_KEPT_MAX = 1000;
/** After so many blocks a node looks whether what it handed in for its operator came through. */
export const OPERATOR_RETRY_BLOCKS = 64;
/** Longest transaction of an operator for its node: what is set aside for a fee is the fee of this. */
export const FEE_ROOM_LENGTH = 1024;

// ---- Coding ------------------------------------------------------------------------------------------------

/** Working memory of a coder: five segments in flight at 10 of 30, more of narrower codes. Only what is touched is used. */
export const CODER_MEMORY_DEFAULT: number = 256 * MIB;
/** Tables of 128 KiB that coding without SIMD keeps: 8 MiB, enough to rebuild a piece from 64 others without making any twice. */
export const PAIR_TABLES_MAX = 64;
/** WebAssembly addresses 4 GiB; a page is left for the end of the last view. */
export const CODER_MEMORY_MAX: number = 4 * GIB - 64 * KIB;
/** A user's machine has other work; a single stream of segments keeps two busy. */
export const CODER_WORKERS_DEFAULT = 2;
/** Each costs a thread, 10 to 25 MB for its part of the runtime, and 2 MiB of working memory. */
export const CODER_WORKERS_MAX = 64;
/** A job that touches no more than this is done in line, in at most two milliseconds: small objects start no worker. */
export const INLINE_JOB_LENGTH: number = 1 * MIB;
/** Text of a node's configuration file: fifty times what every setting needs. */
export const CONFIG_FILE_LENGTH_MAX: number = 256 * KIB;
/** Least capacity of a node: below it, one piece of a default segment would not fit. */
export const CAPACITY_MIN: number = 64 * MIB;
/** Owners that a node may be limited to. */
export const OWNERS_ALLOWED_MAX = 4096;
/** Members that a node greets regularly: all of a small network; in one of 4096, a random graph that stays connected. */
export const NEIGHBOURS_MAX = 32;
/** How often neighbours are greeted, and how long an answer may take. */
export const GREET_INTERVAL_MS = 30_000;
export const GREET_TIMEOUT_MS = 10_000;
/** A node record and a number. */
export const GREETING_LENGTH_MAX: number = DHT_RECORD_LENGTH_MAX + 64;
/** A neighbour that does not answer is tried again after this, twice as late each time, up to the second. */
export const RECONNECT_MIN_MS = 500;
export const RECONNECT_MAX_MS = 60_000;
/** A stopping node waits no longer than this for requests, background work and disk. */
export const NODE_STOP_MS = 10_000;
/** Draws that a node makes to know its shards: above it, which shards it serves is left to whoever asks. */
export const SHARD_DRAWS_MAX = 100_000;
/** Reasons to announce that come within this time make one announcement. */
export const ANNOUNCE_DELAY_MS = 500;
/** Working memory of a node's coder, which only hashes: four of the largest pieces at a time, more wait. */
export const NODE_CODER_MEMORY: number = 4 * PIECE_LENGTH_MAX;
/** Nodes of a local trial network: each is a process of some 100 MB. */
export const LOCAL_NODES_MAX = 64;
/** Nodes that have answered a client, in the order in which it asks them about the chain. */
export const CONTACTS_ANSWERED_MAX = 32;
/** Peers that are no members and are asked about the chain, of either kind: those that an address led to, and those that claimed to know more. */
export const GUIDES_MAX = 8;
/** Claims of peers that are no members are looked into at most this often, all of them together. */
export const STRANGER_INTERVAL_MS = 1_000;
/** Bytes of pieces being read for replies; once read they count against BODY_BUDGET. One of the largest pieces fits twice. */
export const READ_BUDGET: number = 2 * PIECE_LENGTH_MAX;
/** A node hashes pieces up to this in line, in at most 20 milliseconds: handing them to a worker costs a copy and a wake-up each, and the worker's start and memory. */
export const NODE_INLINE_JOB_LENGTH: number = 16 * MIB;
/** Memory for pieces being sent that is kept for the next ones: four pieces of a default segment at 3 of 7. */
export const READ_POOL_MAX: number = 24 * MIB;
/** Index rows that a log holds in memory before they are in the store; then writers wait for it. */
export const LOG_FRESH_ROWS_MAX = 4096;
/** A bulk exchange younger than this never gives way to another: it has had no time to show its speed. */
export const BULK_GRACE_MS = 4_000;
/** Announcements, each of which walks the DHT once per record, come no closer together than this. */
export const ANNOUNCE_INTERVAL_MS = 3_000;
/** Address space of a client's coder; pages are used when first touched. No segment is put that a reader with this could not hold. */
export const CLIENT_CODER_MEMORY: number = 768 * MIB;

// ---- Consensus -----------------------------------------------------------------------------------------------

/** Every validator speaks to every other: at 100 a height costs 20,000 votes over the network, which is as far as that goes. */
export const VALIDATORS_MAX = 100;
/** Three times the total still fits an unsigned 64-bit word. */
export const VOTING_POWER_MAX: bigint = 2n ** 62n;
/** Encoded block: at 100 validators a proposal is sent 99 times. */
export const BLOCK_LENGTH_MAX: number = MIB;
/** Encoded message without its block: a round certificate of two votes of each of 100 validators at 120 bytes, and room. */
export const CONSENSUS_MESSAGE_LENGTH_MAX: number = 32 * KIB;
/** Largest height and round on the wire: time-outs grow with the round, so no honest validator gets near. */
export const HEIGHT_MAX: number = 2 ** 48;
export const ROUND_MAX: number = 2 ** 31 - 1;
/** Messages of the next height that are kept of each validator: its proposal, two votes and the certificates with them. */
export const EARLY_MESSAGES_PER_VALIDATOR = 4;
/** Slots of a proposer schedule: as many as keep every share within a thousandth, and at least this many a validator. */
export const PROPOSER_SLOTS_MIN = 1024;
export const PROPOSER_SLOTS_PER_VALIDATOR = 8;
/** Reveals of one chain: a month of a validator with a third of all power at a block a second; making it takes a few seconds. */
export const BEACON_CHAIN_LENGTH_MAX: number = 2 ** 20;
/** Links of a chain between two that are kept: of the longest, 16,384 are kept, and a reveal, for which every proposal waits, costs at most 64 hashes. */
export const BEACON_CHAIN_SPACING = 64;
/** Write-ahead log of one height: hundreds of rounds of the largest set; what is longer is no log of ours and is not read. */
export const WAL_LENGTH_MAX: number = 64 * MIB;
/** One logged input: the longest message, or the start of a height with its set and schedule, and room. */
export const WAL_PAYLOAD_LENGTH_MAX: number = CONSENSUS_MESSAGE_LENGTH_MAX + KIB;
/** Appended bytes that wait for somebody to ask for a sync; above it they are written without. */
export const APPEND_WAITING_BYTES: number = MIB;
/** Longest text that a validator signs: the guard keeps the last one whole. */
export const SIGN_BYTES_LENGTH_MAX = 256;
/** Messages that wait to be signed, as while a validator only listens: an engine asks for one at a time. */
export const SIGN_WAITING_MAX = 16;
/** How long a validator listens before it first signs: another copy of its key repeats itself within three seconds. */
export const SIGNER_LISTEN_MS = 4_000;
/** Blocks that the host of a validator holds in memory: those of a few rounds; a valid one is also in the application's store. */
export const BLOCKS_HELD_MAX = 16;
/** A block that nobody gave is asked for again after this. */
export const BLOCK_FETCH_RETRY_MS = 250;
/** Inputs that wait while the log is synced; above it messages are dropped, and their senders repeat themselves. */
export const HOST_INPUTS_WAITING_MAX = 4096;
/** Time-outs grow with the round without end; a timer of the runtime takes no more than this, 24 days. */
export const PHASE_MAX_MS: number = 2 ** 31 - 1;
/** A validator that is behind gets one decision in so long from each of the others: ten megabytes a second, at the most. */
export const DECISION_INTERVAL_MS = 100;
/** Frames that wait for one validator: what was said later replaces what it supersedes, so honest traffic stays below. */
export const FRAMES_PER_VALIDATOR_MAX = 64;
/** A validator that cannot be reached is tried again after this, twice as late each time, up to the second. */
export const VALIDATOR_RETRY_MIN_MS = 100;
export const VALIDATOR_RETRY_MAX_MS = 2_000;
/** Messages of one validator per second: 200 heights, and a tenth of a core to check them. */
export const VALIDATOR_MESSAGES_PER_SECOND = 500;
/** Blocks of one validator per second, sent or asked for: a proposal each height, and whoever is behind asks for one after the other. */
export const VALIDATOR_BLOCKS_PER_SECOND = 250;
/** Of those under way at a time: memory for one more waits in the guard. */
export const VALIDATOR_BLOCKS_CONCURRENCY = 4;
/** A block on its way; later the engine has said it again or moved on. */
export const BLOCK_TRANSFER_MS = 10_000;
/** The others may be one height ahead for so long before a validator asks for the decision instead of waiting for votes. */
export const CATCH_UP_DELAY_MS = 250;

// ---- State ---------------------------------------------------------------------------------------------------

/** Leaves of one chunk of state sync: a quarter of a mebibyte of paths and digests, and some thousand hashes to check it. */
export const CHUNK_LEAVES_MAX = 4096;
/** Encoded proof: at most a sibling for each of the 256 bits of a path, the leaf at its end, and room. */
export const STATE_PROOF_LENGTH_MAX: number = 9 * KIB;
/** Encoded chunk: the most leaves of 64 bytes, and as much besides as a proof. */
export const STATE_CHUNK_LENGTH_MAX: number = 64 * CHUNK_LEAVES_MAX + STATE_PROOF_LENGTH_MAX;

// ---- Ledger --------------------------------------------------------------------------------------------------

/** Assets that stake may consist of: set at genesis. */
export const ASSETS_MAX = 8;
/** Encoded record of the state: a directory page or the description of a large object's segments. */
export const STATE_RECORD_LENGTH_MAX: number = 64 * KIB;
/** Encoded transaction: an object of 1,000 segments at 50 pieces does not fit one, and is registered in parts. */
export const TRANSACTION_LENGTH_MAX: number = 64 * KIB;
/** Shards at most 2^8: each block has a header of each, and each may have a lane to each. */
export const SHARD_BITS_MAX = 8;
/** Encoded receipt: a record of the state, and the message of a transaction that is as long as one may be does not fit. */
export const RECEIPT_LENGTH_MAX: number = 60 * KIB;
/** Receipts that transactions put on one lane in a block, and their bytes: so nobody fills the next blocks with one destination. */
export const LANE_BATCH_RECEIPTS_MAX = 512;
export const LANE_BATCH_LENGTH_MAX: number = 100 * KIB;
/** Receipts waiting on a lane, and their bytes, above which no transaction may add to it: two blocks' worth. Refunds may. */
export const LANE_RECEIPTS_MAX = 2048;
export const LANE_LENGTH_MAX: number = MIB;
/** Receipts executed or taken back in a block: with what transactions add, the digests of a lane's batch still fit one record. */
export const RECEIPTS_PER_BLOCK_MAX = 1024;
/** Receipts with their proofs take at most half a block: the rest is for new transactions. */
export const BLOCK_RECEIPTS_LENGTH_MAX: number = BLOCK_LENGTH_MAX / 2;
/** Lanes whose expired receipts are taken back in a block: each shows a proof of a few hundred bytes. */
export const RECLAIMS_PER_BLOCK_MAX = 64;
/** A transaction takes at least 200 bytes of a block. */
export const TRANSACTIONS_PER_BLOCK_MAX = 4096;
/** Pairs of messages that prove misbehaviour: more can wait for the next block. */
export const EVIDENCE_PER_BLOCK_MAX = 16;
/** Messages executed at once because of one transaction or receipt: bounds what a chain of them may cost. */
export const MESSAGES_PER_STEP_MAX = 32;
/** Messages that one transaction, receipt or rule may cause in all, those to other shards included. */
export const RECEIPTS_PER_STEP_MAX = 16;
/** Encoded header of a block: sixteen fields, twelve of them of 32 bytes. */
export const BLOCK_HEADER_LENGTH_MAX: number = KIB;

// ---- Stake and epochs ----------------------------------------------------------------------------------------

/** Owners with a bond or an unbonding at one node: with all their amounts they fit one record, and a slash reaches all at once. */
export const BONDERS_MAX = 128;
/** Amounts on their way out that one owner has at one node: with the owners above they fit one record. */
export const UNBONDINGS_PER_OWNER_MAX = 7;
/** Nodes of one operator: its tombstone reaches all of them at once. */
export const OPERATOR_NODES_MAX = 64;
/** Nodes of a page of the index: 32 pages hold MEMBERS_MAX. */
export const NODE_INDEX_PAGE = 128;
/** Members of a page of the epoch's members: each at most 1,250 bytes with eight failure domains. */
export const MEMBERS_PER_PAGE = 48;
/** Epochs whose start and validators are remembered, at most: above the longest unbonding. */
export const EPOCHS_KEPT_MAX = 1024;
/** Longest unbonding: three weeks of hours. */
export const UNBONDING_EPOCHS_MAX = 512;
/** Blocks of an epoch: a day at a block a second. */
export const EPOCH_BLOCKS_MAX = 86_400;
/** Slashes remembered for the correlation penalty: above it the oldest count no more. */
export const SLASHES_KEPT_MAX = 512;
/** Proposals to change the parameters that are open at a time: with a vote of each of 100 operators they fit one record. */
export const PROPOSALS_MAX = 8;
/** Weight of an asset, and tokens of one: their products and sums stay far from 2^64. */
export const ASSET_WEIGHT_MAX = 65_536n;
export const ASSET_SUPPLY_MAX: bigint = 2n ** 60n;
/** Stake of everybody together, in weighted units: half of what votes may weigh. */
export const STAKE_SUM_MAX: bigint = 2n ** 61n;
/** Capacity of a node that counts: eight pebibytes at most. */
export const PROVEN_GIB_MAX: number = 2 ** 23;

// ---- Names and objects -----------------------------------------------------------------------------------------

/** Buckets of one owner: their names fit one record. */
export const BUCKETS_PER_OWNER_MAX = 256;
/** Encrypted name of an object: the 1,024 bytes that S3 allows, and what encrypting thirty path components adds. */
export const NAME_LENGTH_MAX = 1536;
/** A content key, wrapped, with room for who wrapped it how. */
export const WRAPPED_KEY_LENGTH_MAX = 128;
/** What a name stands for, encoded. */
export const DIRECTORY_VALUE_LENGTH_MAX = 320;
/** Names and values of a directory page: above it a page splits. A put writes one, so they are small; a proof of a name is one. */
export const DIRECTORY_CONTENT_MAX: number = 6 * KIB;
/** Below it a page joins its neighbour. A third: halves of a page that split, each short of an entry, are above it. */
export const DIRECTORY_CONTENT_MIN: number = 2 * KIB;
/** Levels of a directory: with ordinary names six hold 10^9; with the longest ones sixteen hold 10^5 and more. */
export const DIRECTORY_HEIGHT_MAX = 16;
/** Names of one listing, and pages that a client takes as its proof. */
export const LISTING_NAMES_MAX = 1000;
export const LISTING_PAGES_MAX = 1024;
/** Bytes of an object: every segment of the longest manifest, and each as long as one may be. */
export const OBJECT_LENGTH_MAX: number =
  MANIFEST_PAGES_MAX * PAGE_SEGMENTS_MAX * SEGMENT_CELLS_MAX * CELL_LENGTH;
/** Pieces whose holders one record of the state names: at 70 bytes each it stays well below the longest, as replacing a holder rewrites it. */
export const SEGMENTS_RECORD_PIECES = 256;
/** Records that one transaction may delete; larger objects are deleted in several. */
export const DELETED_RECORDS_MAX = 64;
/** Pieces of one object that one transaction gives to another holder: each costs a signature. */
export const REPLACEMENTS_MAX = 64;
/** Pieces of the segments of one transaction: as many roots do not fit a longer one. */
export const SIGNED_SEGMENTS_PIECES_MAX = 2048;

// ---- Founding ------------------------------------------------------------------------------------------------------

/** Accounts that are given something at the founding: an operator of every member, and as many besides. */
export const FOUNDING_BALANCES_MAX: number = 2 * MEMBERS_MAX;
/** Reveals of a node's chain: made in 50 ms at a start, and at a block a second one validator alone lives on it for half a working day. */
export const BEACON_CHAIN_LENGTH: number = 2 ** 14;
/** Chains whose secrets a node keeps: the one in force, the one that comes into force, and one that it is about to commit to. */
export const BEACON_CHAINS_KEPT_MAX = 3;
/** Encoded founding document: the longest epoch record, 4096 operators and reveal chains at 180 bytes, and 8192 balances at 130. */
export const FOUNDING_LENGTH_MAX: number = 4 * MIB;

// ---- Chain queries -----------------------------------------------------------------------------------------------

/** Encoded light block: a header, the signatures for it, and the validators at 40 bytes each. */
export const LIGHT_BLOCK_LENGTH_MAX: number =
  BLOCK_HEADER_LENGTH_MAX + CONSENSUS_MESSAGE_LENGTH_MAX + 8 * KIB;
/** Paths proven by one answer: they fit the header of a request, and their records a reply of a few mebibytes. */
export const PROVEN_PATHS_MAX = 64;
/** The states after so many of the last heights can be proven: time enough for a reader to ask for what the first answer names. */
export const PROVABLE_HEIGHTS = 16;
/** A node lets a query wait so long for what it asks about, as for the next block. */
export const CHAIN_WAIT_MS_MAX = 5_000;
/** Headers of all shards, at 72 bytes and room. */
export const SHARD_HEADERS_LENGTH_MAX: number = 2 ** SHARD_BITS_MAX * 128;
/** Answer with records and their proofs. */
export const PROVE_REPLY_LENGTH_MAX: number =
  PROVEN_PATHS_MAX * (STATE_RECORD_LENGTH_MAX + STATE_PROOF_LENGTH_MAX) +
  SHARD_HEADERS_LENGTH_MAX +
  LIGHT_BLOCK_LENGTH_MAX +
  KIB;
/** Queries of one peer per second: ten times what a person who lists and reads asks; each costs a few milliseconds at most. */
export const CHAIN_QUERIES_PER_SECOND = 200;
/** Of those under way at a time: most of them wait for a block. */
export const CHAIN_QUERY_CONCURRENCY = 64;
/** Transactions that one peer hands in per second, and asks for afterwards: each costs a signature and a look at its account. */
export const SUBMITS_PER_SECOND = 1000;
/** Queries of all peers that wait for a block: a few hundred bytes each. */
export const CHAIN_WAITS_MAX = 4096;
/** Bytes that queries read at once, counted as the most that each may read: seven answers of the most paths. */
export const CHAIN_READ_BUDGET: number = 32 * MIB;
/** Decoded blocks kept for those who ask where their transaction went, by the length of their bytes: some ten times as much in memory. */
export const DECODED_BLOCKS_LENGTH: number = 4 * MIB;
/** Light blocks kept: a header, a certificate and a set that they share. */
export const LIGHT_BLOCKS_KEPT = 256;
/** Decisions of one answer, and their bytes: a few of the longest blocks, or many empty ones. */
export const DECISIONS_MAX = 256;
export const DECISIONS_LENGTH_MAX: number = 4 * MIB;
/** Records of one chunk of state sync, with whose paths it is cut short: at least one fits. */
export const CHUNK_RECORDS_LENGTH_MAX: number = 4 * MIB;

// ---- Chain ---------------------------------------------------------------------------------------------------

/** A block of a later time than this node's clock plus this waits for its verdict: clocks are set to within a second. */
export const BLOCK_TIME_AHEAD_MS = 2_000;
/** Without anything to do a block is made after so long, to show that the chain lives. */
export const HEARTBEAT_MS = 10_000;
/** Nodes that are asked for their heights at a time, how long they have, and how often while nobody is ahead. */
export const SYNC_PEERS_MAX = 8;
export const SYNC_ASK_TIMEOUT_MS = 2_000;
export const SYNC_POLL_MS = 2_000;
/** Decisions of one request on their way: whoever is too slow for it is asked for less next time. */
export const SYNC_FETCH_TIMEOUT_MS = 4_000;
/** A node that gave wrong decisions, or none of those it claimed, is not asked for so long. */
export const SYNC_BAR_MS = 30_000;
/** Requests for decisions of one node per second: 4 MiB each, as fast as a slow disk reads. */
export const SYNC_REQUESTS_PER_SECOND = 8;
/** Bytes of states that are read at once for those who fetch them, counted as the longest chunks. */
export const CHUNK_READ_BUDGET: number = 4 * CHUNK_RECORDS_LENGTH_MAX;
/** Reading and sending a chunk: thousands of records, from a disk that is busy with other things. */
export const CHUNK_TIMEOUT_MS = 15_000;
/** Blocks that a new node rather fetches a state than executes: a minute of work. */
export const STATE_SYNC_BEHIND = 1_000;
/** Nodes that chunks of a state are fetched from at once. */
export const STATE_SYNC_NODES = 4;
/** A node that failed is not asked for a chunk for so long; when no node is left, those who fetch wait for so long. */
export const STATE_SYNC_RETRY_MS = 2_000;
/** Blocks from here to one that the operator of a node vouches for, where the node was away for too long to judge them: more are fetched as a state. */
export const VOUCHED_BLOCKS_MAX = 64;
/** Without any part for so long another state is looked for: whoever had this one may have pruned it. */
export const STATE_SYNC_PATIENCE_MS = 60_000;
/** How often the progress of a state that is fetched is logged. */
export const STATE_SYNC_LOG_MS = 5_000;
/**
 * Blocks that a node keeps: a day at a block a second. It is what nodes that were away catch up with, the time within which transactions can
 * be looked up, and where light clients step from header to header; evidence needs none, for the state keeps the sets of validators.
 */
export const BLOCKS_KEPT = 100_000;
/** Fewer an operator may not ask for: whoever hands in a transaction looks for its block this long. */
export const BLOCKS_KEPT_MIN = 2048;
/** Of states at least the last so many are kept, and those of so much time, but for a fast chain no more than the second number: for proofs. */
export const STATES_KEPT_MIN = 32;
export const STATES_KEPT_MS = 10_000;
export const STATES_KEPT_MAX = 512;
/** States of the last borders between epochs that are kept for others: one may still be fetched when the next is there. */
export const BORDER_STATES_KEPT = 2;
/** Heights between two runs of pruning. */
export const PRUNE_EVERY_HEIGHTS = 16;
/** Blocks that one run gives up, so that a node that stops does not wait for long. */
export const PRUNE_BLOCKS_PER_RUN = 256;
/** How often a chain service looks after itself: a validator that made no height meanwhile asks whether it is behind. */
export const TEND_MS = 3_000;
/**
 * A node that starts follows the chain before its key signs, until it has stood still for so long (a heartbeat, and a round of questions)...
 */
export const KEY_WATCH_MS: number = HEARTBEAT_MS + 3_000;
/** ...or has gone on for so many decisions: most name every validator that is at work. */
export const KEY_WATCH_DECISIONS = 3;
/** Transactions handed in here and not included that are then passed on again, at most. */
export const REBROADCAST_MAX = 64;
/** Evidence that waits for a block of this node's: nobody can make more without breaking a rule himself. */
export const EVIDENCE_WAITING_MAX = 64;

// ---- Chain store ---------------------------------------------------------------------------------------------------

/** Records of the state held in memory: those that every block reads, and what the last thousands of transactions touched. */
export const RECORD_CACHE_LENGTH: number = 16 * MIB;
/** Nodes of state trees held in memory, at half a kilobyte each: the upper thirteen levels, through which every way leads. */
export const NODE_CACHE_NODES = 32_768;
/** States whose tops are held in memory: proofs are asked for of the newest heights. */
export const STATE_CACHE_HEIGHTS = 16;
/** What is kept of the state at a height beside nodes and records: at most 2^8 shards, each with a root and the top of its tree, before and after they change in number. */
export const KEPT_STATE_LENGTH_MAX: number = 128 * KIB;
/** Entries, and blocks, that one step of pruning reads and deletes: others write in between. */
export const PRUNE_ENTRIES_PER_STEP = 1024;
export const PRUNE_BLOCKS_PER_STEP = 8;
/** States that stay although later ones are pruned: those that others begin with, at the last borders of epochs. */
export const STATE_PINS_MAX = 8;
/** Of nodes and former records that nobody needs any more, one entry of the store lists so many; a step of pruning deletes as many. */
export const STALE_PIECE_MAX = 1024;
/** Look-ups of former versions of records under way for one reader. */
export const HISTORY_READS_CONCURRENCY = 64;

// ---- Keys of people ----------------------------------------------------------------------------------------------

/** Keys of one home. */
export const KEYS_MAX = 1000;
/** Encoded key file: some 700 bytes, and room for other white space. */
export const KEY_FILE_LENGTH_MAX: number = 4 * KIB;
/** scrypt's N of new key files as a power of two: with r = 8 it takes 2^27 bytes and about a second. */
export const KEY_COST_LOG2 = 17;
/** What a key file may ask for: at most 2^28 bytes, as whoever wrote it may mean harm. */
export const KEY_COST_LOG2_MIN = 10;
export const KEY_COST_LOG2_MAX = 18;
/** Characters of a new passphrase at least, and bytes of any. */
export const PASSPHRASE_LENGTH_MIN = 8;
export const PASSPHRASE_LENGTH_MAX: number = KIB;
/** A recovery phrase as people type it: 24 words of at most eight letters, and ample space between them. */
export const PHRASE_LENGTH_MAX: number = KIB;

// ---- Transaction pool ----------------------------------------------------------------------------------------

/** Transactions that wait at a node: the longest eight blocks' worth, some hundred megabytes with what decoding makes of them. */
export const POOL_TRANSACTIONS_MAX: number = 8 * TRANSACTIONS_PER_BLOCK_MAX;
/** Their bytes: 32 full blocks. */
export const POOL_LENGTH_MAX: number = 32 * BLOCK_LENGTH_MAX;
/** Of one sender, counted in nonces from its next one on: a quarter of a block. */
export const POOL_ACCOUNT_TRANSACTIONS_MAX: number = TRANSACTIONS_PER_BLOCK_MAX / 4;
/** Their bytes: two full blocks, so that sixteen senders are needed to fill a pool. */
export const POOL_ACCOUNT_LENGTH_MAX: number = 2 * BLOCK_LENGTH_MAX;
/** How far ahead a transaction may expire: a day at a block a second, half an hour at fifty. */
export const TRANSACTION_LIFETIME_BLOCKS_MAX = 100_000;
/** Valid signatures that are remembered from admission until their block is executed: the pool twice over, in count and in bytes. */
export const VERIFIED_SIGNATURES_MAX: number = 2 * POOL_TRANSACTIONS_MAX;
export const VERIFIED_SIGNATURES_LENGTH_MAX: number = 2 * POOL_LENGTH_MAX;
/** Transactions that a node publishes per second, and their bytes: each costs every other node some 200 microseconds of a core. */
export const GOSSIP_TRANSACTIONS_PER_SECOND = 1000;
export const GOSSIP_TRANSACTIONS_LENGTH_PER_SECOND: number = 2 * MIB;
/** Transactions, and their bytes, that wait for their turn to be published; the pool has those that do not wait here. */
export const GOSSIP_WAITING_MAX = 4096;
export const GOSSIP_WAITING_LENGTH_MAX: number = 4 * MIB;
/** Decisions that a node publishes per second: of faster chains the latest; who misses one asks for it. */
export const GOSSIP_DECISIONS_PER_SECOND = 20;
/** Transactions handed in here that go straight to those who propose next; with more of them waiting all are said to everybody at once. */
export const HANDED_ON_WAITING_MAX = 64;
/** One that is in no block after so long is said to everybody: still before a proposer that is silent is passed over. */
export const HANDED_ON_PATIENCE_MS = 1_000;
/** Messages of a topic whose verdict is not there yet; what comes on top is ignored, and its sender says it again. */
export const GOSSIP_TRANSACTIONS_JUDGED_MAX = 256;
export const GOSSIP_DECISIONS_JUDGED_MAX = 16;

// ---- Names of a client -----------------------------------------------------------------------------------------

/** Key of an object in its bucket, as UTF-8: what S3 allows. */
export const KEY_LENGTH_MAX = 1024;
/** Actions of one account that are signed and handed in together; further ones make the next batch. */
export const WRITE_BATCH_MAX = 64;
/** How often an action is signed anew because another program that uses the account was faster. */
export const WRITE_TRIES_MAX = 32;
/** Heights after which a transaction that was not included never will be: a minute of a busy chain, hours of an idle one. */
export const TRANSACTION_LIFETIME_BLOCKS = 2048;
/** Pages of a directory that one look at the state walks through: a megabyte and a half. */
export const LISTING_WALK_PAGES = 256;

// ---- Light clients -----------------------------------------------------------------------------------------------

/** Light blocks asked for to reach one height: some ten for each time that a third of all stake has changed hands. */
export const LIGHT_REQUESTS_MAX = 512;
/** Of these, blocks and time that one node gets to lead to the header that it showed: what it proved meanwhile is kept, and another one goes on. */
export const WAY_REQUESTS_MAX = 128;
export const WAY_TIME_MS = 10_000;
/** A node that did not lead to its header, or whose header is ahead of the clock when those of most others are not, is set aside for so long. */
export const SET_ASIDE_MS: number = 10 * 60_000;
/** When no node has led any further for so long, the newest header is given up. */
export const HEAD_PATIENCE_MS = 30_000;
/** How often validators are asked again because their set has changed since they were asked: sets change with epochs. */
export const SET_CHANGES_MAX = 8;
/** A chain that has no block yet, or whose nodes still fetch it, is waited for so long. */
export const CHAIN_BEGIN_WAIT_MS = 60_000;
/** How often it is looked whether it has begun. */
export const CHAIN_BEGIN_POLL_MS = 250;
/** Verified light blocks that a client remembers, the highest: starting points for what it is shown next. */
export const LIGHT_KEPT_MAX = 64;
/** Nodes that say whether they know the same newest header, beside the one that showed it. */
export const LIGHT_WITNESSES = 2;
/** A header may be so far ahead of the client's clock. */
export const CLOCK_DRIFT_MS = 10_000;
/** Two thirds of three weeks, the time of unbonding: whoever signed what is trusted still has stake to lose. */
export const TRUST_PERIOD_MS: number = 14 * 24 * 3600 * 1000;
/** Nodes asked for the state under a block that a client begins with: it is old as a rule, and then nobody has it. */
export const TRUST_STATE_NODES = 3;
/** The newest trusted header is written down at most this often: from an old one the way is only longer. */
export const TRUST_SAVE_MS = 10_000;
/** Nodes asked one after the other for the same thing before the client gives up. */
export const PROVIDERS_ASKED_MAX = 16;
/** Nodes whose failures and lies are remembered. */
export const PROVIDERS_REMEMBERED_MAX = 4096;
/** A node that failed is asked last for so long. */
export const PROVIDER_BAR_MS = 5_000;
/** When one node has answered, the others are waited for so long. */
export const WITNESS_PATIENCE_MS = 300;
/** Any question about the chain, beside the time that a node was told to wait. */
export const CHAIN_ASK_TIMEOUT_MS = 10_000;
/** Bytes of records that one reading of the state loads. */
export const READ_LENGTH_MAX: number = 64 * MIB;
/** How often a reading starts again because the nodes no longer have the state that it began with. */
export const READ_RESTARTS_MAX = 8;
/** Records asked for because they were read of the states before: those of a write, at half a millisecond each for both ends. */
export const READ_AHEAD_MAX = 24;
/** Requests for records under way at once. */
export const READ_REQUESTS_AT_ONCE = 4;
/** Nodes that a transaction is handed to: one of them is honest and passes it on, as a rule. */
export const SUBMIT_NODES = 3;
/** A chain without a new height for so long is given up waiting for. */
export const SUBMIT_PATIENCE_MS = 120_000;
/** Transactions of one account that a client has on their way: more wait until these are included. */
export const PERFORM_AT_ONCE = 64;
/** Blocks that a client looks through for the transaction that used a nonce: it asks about the nonce every few seconds. */
export const NONCE_BLOCKS_MAX = 256;
/** How often actions are signed again because somebody else used a nonce of the account. */
export const NONCE_RACES_MAX = 5;

// ---- HTTP on loopback ------------------------------------------------------------------------------------------------

/** Body of a request: the longest transaction in hexadecimal digits, and what JSON puts around it. */
export const HTTP_BODY_LENGTH_MAX: number = 2 * TRANSACTION_LENGTH_MAX + KIB;
/** First line and headers of a request. */
export const HTTP_HEADERS_LENGTH_MAX: number = 8 * KIB;
/** Programs of one machine: each keeps a few connections. */
export const HTTP_CONNECTIONS_MAX = 64;
/** Requests of all of them under way, many of which may come over one connection. */
export const HTTP_REQUESTS_MAX = 256;
/** Bytes of answers that callers have not read yet: a dozen of the longest blocks as JSON. */
export const HTTP_UNREAD_LENGTH_MAX: number = 64 * MIB;
/** A request's headers arrive within the first, all of it within the second; a connection on which nothing moves ends after the third. */
export const HTTP_HEADERS_TIMEOUT_MS = 5_000;
export const HTTP_REQUEST_TIMEOUT_MS = 15_000;
export const HTTP_IDLE_MS = 30_000;
/** A server that stops waits so long for answers under way. */
export const HTTP_STOP_MS = 2_000;

// ---- Audits --------------------------------------------------------------------------------------------------

/** Longest time from one audit round to the next: a day. */
export const AUDIT_ROUND_MS_MAX: number = 24 * 3600 * 1000;
/** Leaves asked of a node in a round, drawn by size. */
export const AUDIT_LEAVES_MAX = 256;
/** Rounds in which every piece comes up once: a year of rounds of ten minutes. */
export const SWEEP_ROUNDS_MAX = 52_560;
/** Seats of a group: with 50 honest chance alone convicts nobody, and more cost more signatures. */
export const AUDIT_SEATS_MAX = 64;
/** Nodes of a group: the counts of all fit a transaction beside the signatures. */
export const AUDIT_GROUP_NODES_MAX = 64;
/** Groups of a round: one node each, at worst. */
export const AUDIT_GROUPS_MAX: number = MEMBERS_MAX;
/** Rounds whose anchors are kept. */
export const AUDIT_ROUNDS_KEPT_MAX = 64;
/** Rounds whose draws a node has at hand: the one that runs, and the one whose results are being signed. */
export const AUDIT_ROUNDS_WATCHED = 2;
/** Records, and about as many places, that one step of building the index of holdings takes: blocks are committed in between. */
export const HOLDINGS_STEP_RECORDS = 1024;
export const HOLDINGS_STEP_PLACES = 4096;
/** Entries of that index that are read in one go where all of a node are wanted. */
export const HOLDINGS_PAGE = 512;

// ---- Proofs ----------------------------------------------------------------------------------------------------

/** Windows in which a place is looked for where one is expected: narrower ones find more of what is lost side by side, and cost a seek each. */
export const WINDOWS_PER_LEAF = 4;
/** Pieces read of a window that holds half a one on average: chance never gets here, only ground places do. */
export const WINDOW_PIECES_MAX = 64;
/** Pieces swept in a round, on average: a node that holds more than 50 million is swept in more rounds. */
export const SWEPT_PER_ROUND = 4096;
/** Asked of a node in a round, at most: twice what the sweep and the largest draw ask for. */
export const AUDIT_ASKED_MAX: number = 2 * (SWEPT_PER_ROUND + AUDIT_LEAVES_MAX);
/** Asked in one request: as places they fit its header, and their openings are read in one go. */
export const AUDIT_PART_ASKED_MAX = 64;
/** An opening beside its bytes: place, leaf, and a path of at most 17 siblings. */
export const OPENING_HEAD_LENGTH_MAX: number = KIB;
/** Openings of one response: the longest copy of a manifest, or as many leaves as one request asks for. */
export const AUDIT_PART_LENGTH_MAX: number =
  MANIFEST_LENGTH_MAX + AUDIT_PART_ASKED_MAX * (LEAF_LENGTH + OPENING_HEAD_LENGTH_MAX);
/** Rounds are counted from 1, in four bytes: of ten minutes they last 80,000 years. */
export const AUDIT_ROUND_MAX: number = 2 ** 32 - 1;

// ---- Making and judging blocks -------------------------------------------------------------------------------

/** Keys of records of each kind that are remembered with what names them, at some half a kilobyte each: hashed anew they cost more than the look-up. */
export const STATE_KEYS_REMEMBERED_MAX = 8192;
/** Records that are held decoded from one block to the next. */
export const DECODED_STATE_LENGTH_MAX: number = 8 * MIB;

// ---- Repair --------------------------------------------------------------------------------------------------------

/** Segments that wait for repair at one node, at some 200 bytes each; the riskiest stay, and the records name the others again. */
export const REPAIR_QUEUE_MAX = 65_536;
/** Whoever should repair a segment has so long, then it is the next one's turn: an audit round, in which the chain learns what came of it. */
export const REPAIR_SLOT_MS = 600_000;
/** More than 1/20 of the nodes lost within ten minutes are rather cut off than gone: for half an hour 1/20 of the segments may be queued. */
export const STORM_WINDOW_MS = 600_000;
export const STORM_PAUSE_MS = 1_800_000;
export const STORM_SHARE_DIVISOR = 20;
/** Segments from which so many pieces or fewer may go until they cannot be read are repaired all the same. */
export const STORM_MARGIN_MAX = 2;
/** Pieces that one round of rebalancing moves at most: 4 GiB of pieces of 4 MiB, so that it never crowds out repair. */
export const REBALANCE_MOVES_MAX = 1024;

// ---- Auditing ----------------------------------------------------------------------------------------------------

/** An auditor waits so long for an answer, and a leader for a review. */
export const AUDIT_TIMEOUT_MS = 30_000;
/** Leaves of a round that a node keeps at hand for the next auditor who asks. */
export const AUDIT_OPENED_LENGTH_MAX: number = 8 * MIB;
/** Nodes that an auditor asks at a time. */
export const AUDIT_CALLS_MAX = 4;
/** A round is timed in so many parts. */
export const AUDIT_PARTS_OF_ROUND = 16;
/** Parts from one time to the next at which an auditor asks what is still open, and how often: retries are of the same leaves. */
export const AUDIT_ASK_EVERY = 4;
export const AUDIT_ASKS = 3;
/** Part at which its results are put together, first by the one leader and then, each part, by the next. */
export const AUDIT_JUDGE_AT = 10;
/** Leaders that try, one after the other, before the round is given up. */
export const AUDIT_LEADERS_MAX = 12;
/** Times that a leader and a reviewer tell each other what the other one missed. */
export const AUDIT_EXCHANGES_MAX = 6;
/** Long copies of manifests that an auditor keeps of what it was shown, of all groups: others that have not seen one ask its node. */
export const AUDIT_COPIES_LENGTH_MAX: number = 64 * MIB;
/** Groups of rounds that are over whose openings an auditor has at hand, at about a megabyte each: somebody may dispute that it saw them. */
export const AUDIT_PAST_GROUPS_MAX = 128;
/** Openings in one message of a review, so that many of them do not make it longer than a part. */
export const AUDIT_SHOWN_MAX = 64;

// ---- Repair at a node ----------------------------------------------------------------------------------------

/** Places of its own that a node is about to look at, at some 300 bytes each: what does not fit is found by the next walk. */
export const OWN_QUEUE_MAX = 16_384;
/** Of these, looked up in the chain's records at a time. */
export const OWN_BATCH = 64;
/** A client has so long to bring what the chain names a new holder for, and an audit round at most, before the holder fetches it itself. */
export const OWN_GRACE_MS = 60_000;
/** All that a node holds is compared with its log after the start, and then once a day. */
export const OWN_WALK_MS: number = 24 * 3600 * 1000;
/** What could not be restored is tried again after the first of these, twice as late each time, up to the second. */
export const RESTORE_RETRY_MIN_MS = 2_000;
export const RESTORE_RETRY_MAX_MS = 600_000;
/** Pieces fetched for one segment at a time: enough to use a line of its own, too few to fill everybody's. */
export const RESTORE_FETCHES_MAX = 4;
/** A piece that takes longer is fetched elsewhere. */
export const RESTORE_FETCH_TIMEOUT_MS = 120_000;
/** Members asked at a time what they have of a segment whose holders do not suffice. */
export const RESTORE_ASKED_AT_ONCE = 8;
/** After work that took a time, repair rests for so many times as long: half of one core and line at most, a quarter where nothing presses. */
export const REPAIR_REST_URGENT = 1;
export const REPAIR_REST = 3;
/** Progress is said in the log this often, while there is any. */
export const REPAIR_SAID_EVERY_MS = 60_000;
/** Members asked for a record, the likeliest first. */
export const RESTORE_RECORD_ASKED_MAX = 64;
/** Nodes whose standing is read at a time. */
export const REPAIR_SURVEY_PAGE = 256;
/** Places of lost holders that are looked at in one step, between which pieces are made again. */
export const REPAIR_SCAN_BATCH = 32;
/** After so many slots everything that lost holders have is looked at again: what found no room, or did not press then. */
export const REPAIR_RESCAN_SLOTS = 16;
/** Pieces known to be lost although their holders answer, at some half a kilobyte each; audits name the others again. */
export const PROVEN_LOSSES_MAX = 4096;
/** Transactions that are being filled with pieces of one object each. */
export const TAKE_OVERS_OPEN_MAX = 64;
/** Pieces made again of which the records do not say yet whose they are. */
export const TAKE_OVERS_PENDING_MAX = 4096;
/** A node looks this often whether it was retired, and then whether it holds anything still. */
export const HAND_OVER_LOOK_MS = 5_000;

// ---- Disputes and prices -------------------------------------------------------------------------------------

/** Results of audits that are disputed at one time: their record stays below half of the longest. */
export const DISPUTES_MAX = 64;
/** Longest copy of a manifest that can be shown on the chain: with what goes with it, it fits a receipt. */
export const DISPUTED_COPY_LENGTH_MAX: number = 56 * KIB;
/** Deposits of one object that have not run out: each time it is renewed at another price makes one. */
export const DEPOSITS_MAX = 16;
/** Epochs are named in four bytes where sets and deposits are kept by them: of an hour each they last half a million years. */
export const EPOCH_MAX: number = 2 ** 32 - 1;

// ---- Bundles -----------------------------------------------------------------------------------------------------

/** All that the chain says of one object: 36,000 segments at 3 of 7, which are 590 GB. */
export const BUNDLE_RECORDS_MAX = 2048;
/** Blocks that lead to it from the founding of the network on, as many as a light client asks for. */
export const BUNDLE_BLOCKS_MAX: number = LIGHT_REQUESTS_MAX;
/** A bundle is read whole. */
export const BUNDLE_LENGTH_MAX: number = 256 * MIB;

// ---- Garbage collection ------------------------------------------------------------------------------------------

/** What nothing names is taken away when that was so for this long: tickets last a day, and clients register what they have put within a day and a half. */
export const GARBAGE_GRACE_HOURS = 48;
/** An operator may let it stay for as long as a year. */
export const GARBAGE_GRACE_HOURS_MAX: number = 365 * 24;
/** In a trial on one machine, where puts take minutes. */
export const GARBAGE_GRACE_TRIAL_MS: number = 3600 * 1000;
/** A client does not register what was put longer ago: some of it may be gone before the chain has it. A quarter of the grace is for what the chain takes. */
export const REGISTER_WITHIN_MS: number = 36 * 3600 * 1000;
export const REGISTER_WITHIN_TRIAL_MS: number = GARBAGE_GRACE_TRIAL_MS * (3 / 4);
/** A put that goes on keeps what came first, for so many graces: by then its parts could have been objects of their own. */
export const GARBAGE_OPEN_GRACES = 15;
/** Everything is looked at so often in the time of a grace. */
export const GARBAGE_ROUNDS_PER_GRACE = 4;
/** Entries looked at in one step: their records of the chain are in memory, at 64 KiB each at most. */
export const GARBAGE_BATCH = 64;
/** Entries of a place that is looked at because it changed hands; the rest is left to the next round. */
export const GARBAGE_LOOK_ENTRIES = 1024;
/** Places that changed hands and are not looked at yet, at some 300 bytes each; the next round finds the others. */
export const GARBAGE_LOOKS_MAX = 4096;
/** Half a megabyte to remember which objects something was stored of: with a million in one round, every fifth waits for another. */
export const GARBAGE_STORED_BITS = 22;
/** Nothing is taken away when the last block is older, by this node's clock: the chain says what is needed, and is not heard. */
export const GARBAGE_HEAD_AGE_MAX_MS = 600_000;
/** A block counts for so much of a grace at most: after a standstill clients need time to register. */
export const GARBAGE_AGE_STEP_MAX_MS = 60_000;
/** So much of a grace may be forgotten in a crash, and passes again. */
export const GARBAGE_AGE_SAVED_EVERY_MS = 600_000;
/** While there is nothing to do, what there is is looked for this often. */
export const GARBAGE_LOOK_MS = 2_000;
/** What was taken away is said in the log this often. */
export const GARBAGE_SAID_EVERY_MS = 60_000;
