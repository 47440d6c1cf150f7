/** Tag of the images that a service is upgraded to: the same but for the version in their labels. */
export const nextTag = (tag: string): string => `${tag}-next`;
