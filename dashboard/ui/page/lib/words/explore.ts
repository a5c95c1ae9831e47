// Texts of the history explorer and the device screen.
export const vi = {
} as const;

export const en: Record<keyof typeof vi, string> = {
};
