from .extended import extended_start as extended_start
from .extended import student_to_extend as student_to_extend
from .extended import train_extended_student as train_extended_student
from .pretrained import starting_student as starting_student
from .pretrained import student_of_english as student_of_english
from .static import fit_static_student as fit_static_student
from .transformer import train_transformer_student as train_transformer_student
from .transplant import transplanted_student as transplanted_student
