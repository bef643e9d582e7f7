const URL_PARTS = /\b([a-z][a-z0-9+.-]*:\/\/)([^\s/?#@]*@)?([^\s?#"']*)([?#][^\s"']*)?/gi

/**
 * A text in which the URLs show neither a user's part nor a query or a fragment: that is where credentials stand.
 * @param mask what stands in their place
 */
export function maskedUrl(text: string, mask: (secret: string) => string = () => '••••'): string {
  if (!text.includes('://')) return text
  return text.replace(URL_PARTS, (_all, scheme: string, user = '', rest: string, query = '') => {
    return `${scheme}${user === '' ? '' : `${mask(user)}@`}${rest}${query === '' ? '' : `${query[0]}${mask(query)}`}`
  })
}
