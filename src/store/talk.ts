import type { Socket } from 'node:net'

/** An answer in the protocol of Redis (RESP2), as far as greetings and Sentinels need it. */
export type Reply = string | number | null | ReplyRefusal | readonly Reply[]

/** What a server says against a command. */
export class ReplyRefusal {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** What came is no answer of a Redis. */
export class NoReply extends Error {
  readonly first: number | undefined

  constructor(first: number | undefined) {
    super('no answer in the protocol of Redis')
    this.first = first
  }
}

/** No answer that is asked for here is longer. */
const MAX_BYTES = 65_536

/**
 * Sends commands over a socket that nobody else reads, and resolves with their answers. Rejects with NoReply, with the socket's
 * error, and with null when it is closed.
 */
export function talk(socket: Socket, commands: readonly (readonly string[])[]): Promise<readonly Reply[]> {
  return new Promise((resolve, reject) => {
    let text = ''
    const end = (settle: () => void) => {
      socket.off('data', onData).off('error', onError).off('close', onClose).pause()
      settle()
    }
    const onError = (err: Error) => end(() => reject(err))
    const onClose = () => end(() => reject(null))
    const onData = (piece: Buffer) => {
      text += piece.toString('latin1')
      try {
        const replies = repliesIn(text, commands.length)
        if (replies !== null) end(() => resolve(replies))
        else if (text.length > MAX_BYTES) throw new NoReply(text.charCodeAt(0))
      } catch (err) {
        end(() => reject(err))
      }
    }
    socket.on('data', onData).on('error', onError).on('close', onClose)
    socket.write(commands.map(bytesOf).join(''))
  })
}

function bytesOf(command: readonly string[]): string {
  return `*${command.length}\r\n${command.map(part => `$${Buffer.byteLength(part)}\r\n${part}\r\n`).join('')}`
}

/** @returns null while something is missing @throws NoReply */
function repliesIn(text: string, count: number): readonly Reply[] | null {
  let at = 0
  const line = (): string | null => {
    const ends = text.indexOf('\r\n', at)
    if (ends < 0) return null
    const found = text.slice(at, ends)
    at = ends + 2
    return found
  }
  /** Undefined while it is not all there. */
  const next = (): Reply | undefined => {
    if (at < text.length && !'+-:$*'.includes(text.charAt(at))) throw new NoReply(text.charCodeAt(at))
    const head = line()
    if (head === null) return undefined
    const rest = head.slice(1)
    if (head.startsWith('+')) return rest
    if (head.startsWith('-')) return new ReplyRefusal(rest)
    const number = Number(rest)
    if (rest === '' || !Number.isSafeInteger(number)) throw new NoReply(text.charCodeAt(0))
    if (head.startsWith(':')) return number
    if (number < 0) return null
    if (head.startsWith('*')) return list(number)
    const bulk = text.slice(at, at + number)
    at += number + 2
    return at > text.length ? undefined : bulk
  }
  const list = (length: number): readonly Reply[] | undefined => {
    const items: Reply[] = []
    while (items.length < length) {
      const item = next()
      if (item === undefined) return undefined
      items.push(item)
    }
    return items
  }
  return list(count) ?? null
}
