/** Where a password is typed, or comes from a pipe. */
export interface PasswordInput {
  readonly isTTY?: boolean
  setRawMode?(isRaw: boolean): unknown
  setEncoding(encoding: 'utf8'): unknown
  on(event: 'data', listener: (text: string) => void): unknown
  on(event: 'end', listener: () => void): unknown
  off(event: string, listener: (text: string) => void): unknown
  resume(): unknown
  pause(): unknown
}

const ENTER = /[\r\n]/
const INTERRUPT = '\u0003'
const END = '\u0004'
const BACKSPACE = /[\b\u007f]/
/** A password ends long before. */
const MAX_TYPED = 4_096

/**
 * Reads a password: at a terminal twice and without showing it, else the first line of what is piped in.
 * @returns null when nothing was given, both were not the same, or it was given up
 */
export async function askPassword(input: PasswordInput, say: (text: string) => void): Promise<string | null> {
  input.setEncoding('utf8')
  if (input.isTTY !== true) return await readLine(input)
  say('Password: ')
  const first = await readHidden(input)
  say('\n')
  if (first === null || first === '') return null
  say('Once more: ')
  const second = await readHidden(input)
  say('\n')
  if (first === second) return first
  say('They are not the same.\n')
  return null
}

function readLine(input: PasswordInput): Promise<string | null> {
  return new Promise(resolve => {
    let text = ''
    const finish = () => {
      input.off('data', onData)
      input.off('end', finish)
      input.pause()
      const [line = ''] = text.split('\n')
      const password = line.replace(/\r$/, '')
      resolve(password === '' ? null : password)
    }
    const onData = (piece: string) => {
      text += piece
      if (text.includes('\n') || text.length > MAX_TYPED) finish()
    }
    input.on('data', onData)
    input.on('end', finish)
    input.resume()
  })
}

function readHidden(input: PasswordInput): Promise<string | null> {
  return new Promise(resolve => {
    let text = ''
    const finish = (result: string | null) => {
      input.off('data', onData)
      input.setRawMode?.(false)
      input.pause()
      resolve(result)
    }
    const onData = (piece: string) => {
      for (const letter of piece) {
        if (ENTER.test(letter)) return finish(text)
        if (letter === INTERRUPT || letter === END || text.length > MAX_TYPED) return finish(null)
        text = BACKSPACE.test(letter) ? [...text].slice(0, -1).join('') : text + letter
      }
    }
    input.on('data', onData)
    input.setRawMode?.(true)
    input.resume()
  })
}
