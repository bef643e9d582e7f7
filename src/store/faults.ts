import type { Ms } from '../time.ts'
import type { StoreServer } from './options.ts'

/** Why the store cannot be used, in words that stay the same as long as the cause does. Holds no secret. */
export class StoreFault extends Error {
  /** What whoever runs the gateway can do; empty where it heals by itself. */
  readonly fix: string
  /** A new connection may lead to a server that is not at fault. */
  readonly isOfServer: boolean

  constructor(message: string, fix = '', { isOfServer = false }: { readonly isOfServer?: boolean } = {}) {
    super(message)
    this.fix = fix
    this.isOfServer = isOfServer
  }
}

/** How far a connection had come when it failed. */
export type DialStage = 'name' | 'connect' | 'tls' | 'greeting'

/** What was tried when a connection failed. */
export interface Dialed extends StoreServer {
  readonly stage: DialStage
  readonly isTls: boolean
}

const READABLE = 'the line "user tollgate" in the README has every right that is needed'
const NAME = 'store.url, and the name server of this machine'

/** Answers that the store gives instead of doing what it is asked, the more special first. */
const REPLIES: readonly (readonly [RegExp, string, string, ('of the server' | undefined)?])[] = [
  [/\bWRONGPASS\b|invalid password/i, 'the store refuses the user or the password', 'the password in store'],
  [/\bNOAUTH\b/, 'the store asks for a password, and none is configured', 'a password in store.url'],
  [/\bNOPERM\b|can't (?:run|access)|no permissions/i, 'the user of the store lacks rights', READABLE],
  [
    /\bREADONLY\b/,
    'the store is a replica that takes no writes',
    'store.url has to lead to the master',
    'of the server'
  ],
  [/\bLOADING\b/, 'the store is loading its data', '', 'of the server'],
  [/\bMASTERDOWN\b/, 'the store is a replica without its master', 'the master of the store', 'of the server'],
  [/\bUNBLOCKED\b/, 'the store has become a replica', 'store.url has to lead to the master', 'of the server'],
  [/\bNOREPLICAS\b/, 'the store takes no writes: too few of its replicas are there', 'its replicas', 'of the server'],
  [/\bCLUSTERDOWN\b/, 'a part of the cluster is down', 'the nodes of the cluster', 'of the server'],
  [/\bMISCONF\b/, 'the store takes no writes: it cannot save to its disk', 'the log and the disk of the store'],
  [/\bOOM\b/, 'the store takes no writes: its memory is full', 'maxmemory of the store, or a store of its own'],
  [/\bDENIED\b/, 'the store is in protected mode and refuses other machines', 'a password, or bind, in the store'],
  [/max number of clients/i, 'the store has as many clients as it may', 'maxclients of the store'],
  [/\b(?:MOVED|CROSSSLOT|ASK)\b/, 'the store is a node of a cluster', 'store.cluster: true'],
  [/cluster support disabled/i, 'the store is no cluster', 'store.cluster: false'],
  [/DB index|SELECT is not allowed/i, 'the store has no database of this number', 'the number in store.url'],
  [/unknown command.{0,3}\bsentinel\b/i, 'what answers is no Sentinel', 'store.sentinel.hosts'],
  [/unknown command/i, 'what answers lacks a command: it may be a Sentinel, or a proxy', 'store.url, store.sentinel']
]

/** @returns null for what is no answer about the store itself: a script's own fault, say */
export function faultOfReply(text: string): StoreFault | null {
  const found = REPLIES.find(([pattern]) => pattern.test(text))
  if (found === undefined) return null
  const [, message, fix, of] = found
  return new StoreFault(message, fix, { isOfServer: of !== undefined })
}

/** Sockets' and TLS' errors by their codes. */
const SOCKETS: readonly (readonly [RegExp, (of: Dialed) => string, string])[] = [
  [/^(?:ENOTFOUND|ENODATA)$/, ({ host }) => `the name ${host} is not known`, NAME],
  [/^(?:EAI_|ETIMEOUT|ESERVFAIL|EREFUSED)/, ({ host }) => `the name ${host} cannot be looked up now`, NAME],
  [/^ECONNREFUSED$/, of => `${place(of)} refuses connections: nothing listens there`, 'the store, and its port'],
  [/^(?:EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL)$/, of => `there is no way to ${place(of)}`, 'the network'],
  [/^(?:EMFILE|ENFILE)$/, () => 'this process has no file descriptor left', 'LimitNOFILE, ulimit -n'],
  [
    /SELF_SIGNED|UNABLE_TO_(?:VERIFY|GET_ISSUER)|CERT_UNTRUSTED|CERT_SIGNATURE/,
    of => `the certificate of ${place(of)} is of an authority that is not trusted here`,
    'store.ca: the PEM file of that authority'
  ],
  [
    /ALTNAME_INVALID|HOSTNAME_MISMATCH/,
    of => `the certificate of ${place(of)} is for other names`,
    'the host in store, or store.server_name'
  ],
  [/CERT_HAS_EXPIRED/, of => `the certificate of ${place(of)} has expired`, 'the certificate of the store'],
  [/CERT_NOT_YET_VALID/, of => `the certificate of ${place(of)} is not valid yet`, 'the clocks, and that certificate'],
  [
    /CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE|BAD_CERTIFICATE/,
    of => `${place(of)} asks for a certificate of the gateway`,
    'store.cert and store.key'
  ],
  [
    /ALERT_UNKNOWN_CA|ALERT_CERTIFICATE/,
    of => `${place(of)} refuses the certificate of the gateway`,
    'store.cert and store.key; the authority that the store trusts'
  ],
  [
    /WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|UNEXPECTED_MESSAGE|UNSUPPORTED_PROTOCOL|PROTOCOL_VERSION/,
    of => `${place(of)} does not speak TLS, or no version of it that is allowed here`,
    'redis:// without TLS, or the port of TLS'
  ]
]

/** The cause of a connection that failed. @param err of the socket, or null when the peer closed it */
export function faultOfSocket(err: unknown, of: Dialed): StoreFault {
  const code = codeOf(err)
  for (const [pattern, words, fix] of SOCKETS) if (pattern.test(code)) return new StoreFault(words(of), fix)
  if (of.stage === 'tls')
    return new StoreFault(
      `${place(of)} ends the TLS handshake`,
      'does it speak TLS on this port? store.cert, store.key'
    )
  if (of.stage === 'greeting') {
    const fix = of.isTls ? 'store.cert and store.key; maxclients of the store' : 'does this port want TLS (rediss://)?'
    return new StoreFault(`${place(of)} closes connections without an answer`, fix)
  }
  return new StoreFault(`connecting to ${place(of)} failed${code === '' ? '' : ` (${code})`}`, 'the store, the network')
}

/** The cause of a connection that did not come about in time. */
export function faultOfSilence(of: Dialed, afterMs: Ms): StoreFault {
  const words = {
    name: [`the name ${of.host} cannot be looked up now`, NAME],
    connect: [`${place(of)} does not answer within ${afterMs} ms`, 'a firewall, the network, or the machine'],
    tls: [`${place(of)} does not answer TLS within ${afterMs} ms`, 'does it speak TLS on this port?'],
    greeting: [
      `${place(of)} takes connections and answers nothing within ${afterMs} ms`,
      `is it a Redis that runs${of.isTls ? '' : ', without TLS'}?`
    ]
  } as const
  const [message, fix] = words[of.stage]
  return new StoreFault(message, fix)
}

/** Something that is no Redis has answered. @param first the first byte of it */
export function faultOfStranger(of: Dialed, first: number | undefined): StoreFault {
  // The first byte of a TLS alert (RFC 8446 section 5.1).
  return first === 0x15
    ? new StoreFault(`${place(of)} speaks TLS`, 'rediss:// instead of redis://')
    : new StoreFault(`what listens at ${place(of)} is no Redis`, 'the host and the port in store')
}

function codeOf(err: unknown): string {
  if (typeof err !== 'object' || err === null || !('code' in err)) return ''
  return String(err.code).slice(0, 80)
}

function place({ host, port }: StoreServer): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}
